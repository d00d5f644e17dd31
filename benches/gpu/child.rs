//! Measurements of ours with one model, in a process of its own. Each prints its figures as a JSON object.

use crate::figures::median;
use crate::program::Outcome;
use crate::texts::Texts;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tailora::options::from_value;
use tailora::{Dataset, DatasetOptions, LanguageModel, Monitor, TrainOptions};

/// Steps that are not timed: memory is taken for the first time, libraries choose their kernels, clocks rise.
const WARM_UP_STEPS: u64 = 3;
/// How often texts are timed, after once when they are not.
const TIMES: usize = 3;

/// Measures what `job` says.
pub fn run(job: &Path) -> Outcome {
    let job: Value = serde_json::from_slice(&std::fs::read(job)?)?;
    let path = Path::new(job["path"].as_str().ok_or("the job has no path")?);
    let began = Instant::now();
    let model = LanguageModel::load(path, &from_value(job["model"].clone())?, &mut Monitor::none())?;
    eprintln!("{} loaded in {:.1} s", path.display(), began.elapsed().as_secs_f64());
    for work in job["works"].as_array().into_iter().flatten() {
        let mut figures = match work["csv"].as_str() {
            Some(csv) => train(&model, Path::new(csv), work)?,
            None => generate(&model, work)?,
        };
        figures["name"] = work["name"].clone();
        println!("{figures}");
    }
    Ok(())
}

fn train(model: &LanguageModel, csv: &Path, work: &Value) -> Outcome<Value> {
    let mut nobody = Monitor::none();
    let dataset = Dataset::open_csv(csv, &DatasetOptions::default(), &mut nobody)?;
    let options: TrainOptions = from_value(work["train"].clone())?;
    let warm_up = TrainOptions { max_steps: WARM_UP_STEPS, ..options.clone() };
    tailora::train(model, &dataset, &warm_up, &mut nobody)?;
    let summary = tailora::train(model, &dataset, &options, &mut nobody)?.summary;
    if summary["tokens"] != work["tokens"] {
        return Err(format!("{} tokens were trained on; expected {}", summary["tokens"], work["tokens"]).into());
    }
    let speed = summary["tokens_per_second"].as_f64().unwrap_or(f64::NAN);
    let seconds = summary["tokens"].as_f64().unwrap_or(f64::NAN) / speed;
    Ok(json!({
        "tokens_per_second": speed,
        "step_ms": 1e3 * seconds / options.max_steps as f64,
        "loss": summary["loss"],
        "checkpointed_layers": summary["memory"]["checkpointed_layers"],
        "estimated_bytes": summary["memory"]["peak_bytes"],
    }))
}

fn generate(model: &LanguageModel, work: &Value) -> Outcome<Value> {
    let number = |name: &str| work[name].as_u64().unwrap_or_default() as usize;
    let (at_once, prompt, completion) = (number("at_once"), number("prompt"), number("completion"));
    let mut texts = Texts::new(model, at_once, prompt);
    texts.time(None, completion.min(16))?;
    let mut seconds = Vec::new();
    for _ in 0..TIMES {
        seconds.push(texts.time(None, completion)?.as_secs_f64());
    }
    // A completion of one token: reading the prompt is what was measured.
    let tokens = at_once * if completion == 1 { prompt } else { completion };
    let speed = median(seconds).map(|seconds| tokens as f64 / seconds);
    Ok(json!({ "tokens_per_second": speed }))
}
