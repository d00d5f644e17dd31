//! Ours and the peer's measurements in turn, so that a machine that slows down slows both.

use crate::cases::{Base, THREADS, Workload, write_rows};
use crate::gpu;
use crate::options::Options;
use crate::{Outcome, model, program};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One process' figures.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// Tokens that are not padding, per second of optimizer steps.
    pub tokens_per_s: f64,
    /// Highest resident memory of the process; `None` where the system does not say.
    pub peak_gib: Option<f64>,
}

/// A case with its measurements, round by round; no peer's if there is no Python for it.
pub struct CaseResult {
    /// Layers, base and rows.
    pub name: String,
    /// This library's.
    pub ours: Vec<Measurement>,
    /// PyTorch's and PEFT's, by the type of their weights.
    pub peers: Vec<(&'static str, Vec<Measurement>)>,
}

/// Measures the cases of a workload. PEFT's bf16 has its adapter in f32, as PEFT makes it, and once in bf16, too.
pub fn measure(workload: &Workload, model_dir: &Path, options: &Options) -> Outcome<Vec<CaseResult>> {
    let steps = workload.steps(options.steps);
    let slug = workload.name().replace([' ', ','], "_");
    let (csv, rows) = write_rows(&model::folder(), &slug, workload.rows, steps * options.batch)?;
    let train = json!({
        "target_modules": workload.target_modules(), "r": 8, "lora_alpha": 16,
        "batch_size": options.batch, "max_steps": steps,
        "learning_rate": 2e-4, "lr_scheduler_type": "constant", "warmup_ratio": 0, "validation_share": 0, "memorisation_samples": 0,
    });
    let python = python();
    let peers: &[&'static str] = if options.device == "cpu" { &["f32", "bf16", "bf16 throughout"] } else { &["bf16"] };
    let mut results: Vec<CaseResult> = Vec::new();
    for base in &workload.bases {
        let peers = peers.iter().map(|dtype| (*dtype, Vec::new())).collect();
        results.push(CaseResult { name: workload.case(*base), ours: Vec::new(), peers });
    }
    for round in 1..=options.rounds {
        for (base, result) in workload.bases.iter().zip(&mut results) {
            let mut job = job(model_dir, &csv, &options.device, train.clone());
            match base {
                Base::Dense(dtype) => job["model"]["dtype"] = json!(dtype),
                Base::Quantized(name) => job["model"]["quantize"] = json!(name),
            }
            let figures = ours(&slug, &job)?;
            announce(round, &result.name, "ours", &figures);
            result.ours.push(measurement(&figures)?);
        }
        let Some(python) = &python else { continue };
        for (index, dtype) in peers.iter().enumerate() {
            let mut job = job(model_dir, &csv, &options.device, train.clone());
            (job["rows"], job["dtype"]) = (json!(rows), json!(dtype));
            let figures = peer(python, &slug, &job)?;
            announce(round, &slug, &format!("PEFT {dtype}"), &figures);
            let measured = measurement(&figures)?;
            results.iter_mut().for_each(|result| result.peers[index].1.push(measured));
        }
    }
    Ok(results)
}

/// What a process of ours is to do.
pub fn job(model_dir: &Path, csv: &Path, device: &str, train: Value) -> Value {
    json!({"model_dir": model_dir, "model": {"device": device, "threads": THREADS}, "csv": csv, "train": train})
}

/// Runs a job in this program as a child; its figures.
pub fn ours(name: &str, job: &Value) -> Outcome<Value> {
    let path = write_job(name, job)?;
    figures(Command::new(std::env::current_exe()?).arg(program::CHILD).arg(path), job)
}

fn peer(python: &Path, name: &str, job: &Value) -> Outcome<Value> {
    let path = write_job(name, job)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/train/peft_peer.py");
    let threads = THREADS.to_string();
    let mut command = Command::new(python);
    command.arg(script).arg(path).envs([
        ("OMP_NUM_THREADS", threads.as_str()),
        ("MKL_NUM_THREADS", &threads),
        ("HF_HUB_OFFLINE", "1"),
        ("PYTHONWARNINGS", "ignore"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ]);
    figures(&mut command, job)
}

fn write_job(name: &str, job: &Value) -> Outcome<PathBuf> {
    let folder = model::folder();
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.job.json"));
    std::fs::write(&path, job.to_string())?;
    Ok(path)
}

/// Runs a process; the JSON object it printed last. On a GPU, the peak is that of the GPU's memory.
fn figures(command: &mut Command, job: &Value) -> Outcome<Value> {
    let program = command.get_program().to_string_lossy().into_owned();
    let watch = job["model"]["device"].as_str().and_then(gpu::Watch::start);
    let output = command.stderr(Stdio::inherit()).output().map_err(|err| format!("cannot start {program}: {err}"))?;
    let peak_gib = watch.map(|watch| watch.peak_gib());
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let mut figures: Value =
        serde_json::from_str(last).map_err(|err| format!("{program} printed `{last}`; expected figures: {err}"))?;
    if let Some(peak_gib) = peak_gib {
        figures["peak_gib"] = json!(peak_gib);
    }
    Ok(figures)
}

fn measurement(figures: &Value) -> Outcome<Measurement> {
    let tokens_per_s = figures["tokens_per_s"].as_f64().filter(|speed| *speed > 0.0);
    let tokens_per_s = tokens_per_s.ok_or_else(|| format!("no `tokens_per_s` in {figures}"))?;
    Ok(Measurement { tokens_per_s, peak_gib: figures["peak_gib"].as_f64() })
}

/// The losses are shown so that one can see that both sides trained the same: near ln(vocabulary), for random weights.
fn announce(round: usize, name: &str, side: &str, figures: &Value) {
    let number = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
    eprintln!(
        "round {round}  {name}  {side}: {:.1} tokens/s, {:.2} GiB, last loss {:.3}",
        number("tokens_per_s"),
        number("peak_gib"),
        number("loss")
    );
}

fn python() -> Option<PathBuf> {
    let named = std::env::var_os("TAILORA_PYTHON").filter(|name| !name.is_empty()).map(PathBuf::from);
    if named.is_none() {
        eprintln!("SKIPPED: PyTorch + PEFT: TAILORA_PYTHON does not name a Python that has them");
    }
    named
}
