//! Runs the cases of one process, as a child of this program.

use crate::cases::{Case, LIMIT, Memory, RANK, ROWS, TOKENS, Work};
use crate::gpu::Watch;
use crate::options::Options;
use crate::program::{CHILD, Outcome};
use crate::results::Results;
use crate::texts::characters;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Measures cases with the same weights; the figures go to the results as they come.
pub fn measure(cases: &[Case], options: &Options, results: &mut Results) -> Outcome {
    let Some(first) = cases.first() else { return Ok(()) };
    let folder = std::env::temp_dir().join("tailora-bench-gpu");
    std::fs::create_dir_all(&folder)?;
    let works: Vec<Value> = cases.iter().map(|case| work(case, &folder, options.steps)).collect::<Outcome<_>>()?;
    let model = json!({"device": options.device});
    let job = json!({"path": first.weights.path(&options.models), "model": model, "works": works});
    let path = folder.join("job.json");
    std::fs::write(&path, job.to_string())?;

    let watch = Watch::start(&options.device);
    let mut child = Command::new(std::env::current_exe()?).arg(CHILD).arg(path).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    for line in BufReader::new(stdout).lines() {
        let mut figures: Value = serde_json::from_str(&line?)?;
        figures["peak_gib"] = json!(watch.as_ref().and_then(Watch::peak_gib));
        println!("{figures}");
        results.add(figures)?;
    }
    match child.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("the process for {first} ended with {status}").into()),
    }
}

/// What a child is to do for a case.
fn work(case: &Case, folder: &Path, steps: usize) -> Outcome<Value> {
    let name = case.to_string();
    let Work::Train { memory } = case.work else {
        let (at_once, prompt, completion) = case.work.texts();
        return Ok(json!({"name": name, "at_once": at_once, "prompt": prompt, "completion": completion}));
    };
    let (checkpointing, limit) = match memory {
        Memory::All => (json!(false), Value::Null),
        Memory::Inputs => (json!(true), Value::Null),
        Memory::Limited => (json!("auto"), json!(LIMIT)),
    };
    let train = json!({
        "target_modules": "all-linear", "r": RANK, "lora_alpha": 2 * RANK, "batch_size": ROWS, "max_steps": steps,
        "max_length": TOKENS, "gradient_checkpointing": checkpointing, "max_memory": limit,
        "lr_scheduler_type": "constant", "warmup_ratio": 0, "validation_share": 0, "memorisation_samples": 0,
    });
    let csv = write_rows(folder, steps * ROWS)?;
    Ok(json!({"name": name, "csv": csv, "train": train, "tokens": steps * ROWS * TOKENS}))
}

/// Rows of [`TOKENS`] tokens: a letter and the line break that follows a question, the answer, the end of turn. All that
/// can be trained but one are.
fn write_rows(folder: &Path, count: usize) -> Outcome<PathBuf> {
    let mut random = StdRng::seed_from_u64(4);
    let mut csv = String::from("input,output\n");
    for _ in 0..count {
        writeln!(csv, "{},{}", characters(&mut random, 1), characters(&mut random, TOKENS - 3))?;
    }
    let path = folder.join("rows.csv");
    std::fs::write(&path, csv)?;
    Ok(path)
}
