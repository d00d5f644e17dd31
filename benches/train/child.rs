//! One measurement of ours, in a process of its own.

use crate::Outcome;
use serde_json::{Value, json};
use std::path::Path;
use tailora::options::from_value;
use tailora::{Cancel, Control, Dataset, DatasetOptions, LanguageModel, Monitor, Phase, TrainOptions};

/// Trains as `job` says and prints one JSON object.
pub fn run(job: &Path) -> Outcome {
    let job: Value = serde_json::from_slice(&std::fs::read(job)?)?;
    let path = |name: &str| Path::new(job[name].as_str().unwrap_or_default()).to_owned();
    let mut nobody = Monitor::none();
    let model = LanguageModel::load(&path("model_dir"), &from_value(job["model"].clone())?, &mut nobody)?;
    let dataset = Dataset::open_csv(&path("csv"), &DatasetOptions::default(), &mut nobody)?;
    let options: TrainOptions = from_value(job["train"].clone())?;

    // The step that is not timed: memory is touched for the first time, threads start.
    let warm_up = TrainOptions { max_steps: 1, ..options.clone() };
    tailora::train(&model, &dataset, &warm_up, &mut nobody)?;

    let mut memory = Vec::new();
    let every = (options.max_steps / 10).max(1);
    let mut watch = |event: &tailora::Progress| {
        if event.phase == Phase::Train && (event.step == 1 || event.step.is_multiple_of(every)) {
            memory.push(json!({"step": event.step, "gib": status_gib("VmRSS")}));
        }
        Control::Continue
    };
    let mut monitor = Monitor::new(&Cancel::new(), Some(&mut watch));
    let summary = tailora::train(&model, &dataset, &options, &mut monitor)?.summary;
    let result = json!({
        "tokens_per_s": summary["tokens_per_second"],
        "tokens": summary["tokens"],
        "seconds": summary["seconds"],
        "loss": summary["loss"],
        "peak_gib": status_gib("VmHWM"),
        "memory": memory,
    });
    println!("{result}");
    Ok(())
}

/// A field of `/proc/self/status` in GiB; `None` on systems without it.
fn status_gib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / f64::from(1 << 20))
}
