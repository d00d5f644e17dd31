//! Ours and the peer's measurements in turn, so that a machine that slows down slows both.

use crate::cases::Case;
use crate::llama::{Llama, THREADS};
use crate::options::Options;
use crate::{Outcome, adapter, bandwidth, files, process, program};
use serde_json::{Value, json};
use std::process::Command;

/// One process' figures.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    pub tokens_per_s: f64,
    /// Highest resident memory of the process; `None` where the system does not say.
    pub peak_gib: Option<f64>,
}

/// A case with its measurements, round by round; no peer's if there is none, or if it cannot do this.
pub struct CaseResult {
    pub case: Case,
    /// Bytes of the file with the weights.
    pub bytes: u64,
    pub ours: Vec<Measurement>,
    pub peer: Vec<Measurement>,
    /// How fast memory was read before each round, in bytes a second; only where that is the bound.
    pub bandwidths: Vec<f64>,
    /// By how much the adapter lengthens the time, of each round.
    pub adapter_costs: Vec<f64>,
}

/// Measures a case.
pub fn measure(case: Case, llama: Option<&Llama>, options: &Options) -> Outcome<CaseResult> {
    let shape = case.weights.shape(options.small);
    let model = files::prepare(&shape, case.weights, llama)?;
    let bytes = std::fs::metadata(&model.file)?.len();
    let adapter = case.adapter.then(|| adapter::prepare(&shape)).transpose()?;
    let work = case.work;
    let job = json!({
        "file": model.file, "model": {"device": "cpu", "threads": THREADS, "quantize": model.quantize}, "adapter": adapter,
        "at_once": work.at_once, "prompt": work.prompt, "completion": work.completion,
    });
    // llama-bench has no adapters.
    let llama = llama.filter(|_| !case.adapter);
    let mut result = CaseResult {
        case,
        bytes,
        ours: Vec::new(),
        peer: Vec::new(),
        bandwidths: Vec::new(),
        adapter_costs: Vec::new(),
    };
    for round in 1..=options.rounds {
        if case.is_bound_by_bandwidth() {
            result.bandwidths.push(bandwidth::measure());
        }
        let (ours, bare_seconds, seconds) = ours(&job, work.tokens())?;
        announce(round, &case, "ours", &ours);
        result.ours.push(ours);
        if case.adapter {
            result.adapter_costs.push(seconds / bare_seconds - 1.0);
        }
        if let Some(llama) = llama {
            let (tokens_per_s, peak_gib) = llama.measure(&model.file, &work)?;
            let peer = Measurement { tokens_per_s, peak_gib };
            announce(round, &case, "llama.cpp", &peer);
            result.peer.push(peer);
        }
    }
    Ok(result)
}

/// Runs a job in this program as a child: its figures, and its seconds without an adapter and in all.
fn ours(job: &Value, tokens: usize) -> Outcome<(Measurement, f64, f64)> {
    let path = files::folder().join("job.json");
    std::fs::write(&path, job.to_string())?;
    let (text, peak_gib) = process::run(Command::new(std::env::current_exe()?).arg(program::CHILD).arg(path))?;
    let figures: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let number = |name: &str| figures[name].as_f64().ok_or_else(|| format!("no `{name}` in {figures}"));
    let (bare_seconds, seconds) = (number("bare_seconds")?, number("seconds")?);
    Ok((Measurement { tokens_per_s: tokens as f64 / seconds, peak_gib }, bare_seconds, seconds))
}

fn announce(round: usize, case: &Case, side: &str, measured: &Measurement) {
    let (speed, gib) = (measured.tokens_per_s, measured.peak_gib.unwrap_or(f64::NAN));
    eprintln!("round {round}  {case}  {side}: {speed:.1} tokens/s, {gib:.2} GiB");
}
