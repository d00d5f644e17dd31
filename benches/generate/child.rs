//! One measurement of ours, in a process of its own.

use crate::Outcome;
use crate::texts::Texts;
use serde_json::{Value, json};
use std::path::Path;
use tailora::options::from_value;
use tailora::{AdapterOptions, LanguageModel, Monitor};

/// With an adapter: how often the texts are timed without and with it, in turn.
const PAIRS: usize = 3;

/// Generates as `job` says and prints one JSON object.
pub fn run(job: &Path) -> Outcome {
    let job: Value = serde_json::from_slice(&std::fs::read(job)?)?;
    let path = |value: &Value| value.as_str().map(|path| Path::new(path).to_owned());
    let file = path(&job["file"]).ok_or("the job has no file")?;
    let model = LanguageModel::load(&file, &from_value(job["model"].clone())?, &mut Monitor::none())?;
    let adapter = match path(&job["adapter"]) {
        None => None,
        Some(dir) => Some(model.load_adapter(&dir, &AdapterOptions::default())?),
    };
    let number = |name: &str| job[name].as_u64().unwrap_or_default() as usize;
    let completion = number("completion");
    let mut texts = Texts::new(&model, number("at_once"), number("prompt"));
    let (pairs, adapters) = match &adapter {
        None => (1, vec![None]),
        Some(adapter) => (PAIRS, vec![None, Some(adapter)]),
    };
    // Not timed: memory is touched for the first time, threads start.
    for adapter in &adapters {
        texts.time(*adapter, completion.min(4))?;
    }
    let mut seconds = vec![0.0; adapters.len()];
    for _ in 0..pairs {
        for (adapter, sum) in adapters.iter().zip(&mut seconds) {
            *sum += texts.time(*adapter, completion)?.as_secs_f64();
        }
    }
    let seconds: Vec<f64> = seconds.iter().map(|sum| sum / pairs as f64).collect();
    println!("{}", json!({"bare_seconds": seconds[0], "seconds": seconds.last()}));
    Ok(())
}
