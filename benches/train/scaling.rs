//! That cost grows linearly with sequence length and rows, and memory not at all with steps. Ours alone.

use crate::Outcome;
use crate::cases::{Rows, write_rows};
use crate::model;
use crate::models::Shape;
use crate::options::Options;
use crate::rounds::{job, ours};
use serde_json::{Value, json};
use std::path::Path;

/// Tokens of a step while sequence lengths are compared: only the length differs.
const TOKENS_PER_STEP: usize = 2048;

/// Measures and prints all three; the figures as one object.
pub fn measure(model_dir: &Path, options: &Options) -> Outcome<Value> {
    // What is about rows and steps is as true of a small model, and a thousand steps of it take a minute.
    let small = model::prepare(&Shape::SMALL)?;
    Ok(json!({
        "sequence_length": sequence_length(model_dir, options.steps)?,
        "rows": rows(&small)?,
        "steps": steps(&small)?,
    }))
}

fn sequence_length(model_dir: &Path, steps: usize) -> Outcome<Vec<Value>> {
    println!("Sequence length, {TOKENS_PER_STEP} tokens a step, all-linear r 8\n");
    println!("{:>8}{:>12}{:>12}", "tokens", "tokens/s", "peak GiB");
    let mut measured = Vec::new();
    for tokens in [256, 512, 1024, 2048] {
        let batch = TOKENS_PER_STEP / tokens;
        let figures = train(model_dir, tokens, batch * steps, json!({"batch_size": batch, "max_steps": steps}))?;
        let (speed, peak) = (&figures["tokens_per_s"], &figures["peak_gib"]);
        println!("{tokens:>8}{:>12.1}{:>12.2}", number(speed), number(peak));
        measured.push(json!({"tokens": tokens, "tokens_per_s": speed, "peak_gib": peak}));
    }
    println!();
    Ok(measured)
}

fn rows(model_dir: &Path) -> Outcome<Vec<Value>> {
    println!("Rows of 64 tokens, one epoch, small model: the whole call, reading and tokenizing included\n");
    println!("{:>8}{:>12}{:>16}", "rows", "seconds", "ms per row");
    let mut measured = Vec::new();
    for rows in [128, 256, 512, 1024] {
        let figures = train(model_dir, 64, rows, json!({"batch_size": 4, "max_steps": rows / 4}))?;
        let seconds = number(&figures["seconds"]);
        println!("{rows:>8}{seconds:>12.2}{:>16.2}", 1e3 * seconds / rows as f64);
        measured.push(json!({"rows": rows, "seconds": seconds}));
    }
    println!();
    Ok(measured)
}

fn steps(model_dir: &Path) -> Outcome<Vec<Value>> {
    println!("1,000 steps, small model: resident memory\n");
    println!("{:>8}{:>12}", "step", "GiB");
    let figures = train(model_dir, 64, 400, json!({"batch_size": 4, "max_steps": 1000}))?;
    let memory = figures["memory"].as_array().cloned().unwrap_or_default();
    for point in &memory {
        println!("{:>8}{:>12.4}", point["step"], number(&point["gib"]));
    }
    println!();
    Ok(memory)
}

/// Every layer adapted, every token trained, rows of one length.
fn train(model_dir: &Path, tokens: usize, rows: usize, options: Value) -> Outcome<Value> {
    let kind = Rows::Fixed { name: "every_token", tokens, completion: tokens - 1 };
    let (csv, _) = write_rows(&model::folder(), "scaling", kind, rows)?;
    let mut train = json!({"max_length": TOKENS_PER_STEP, "validation_share": 0, "memorisation_samples": 0, "target_modules": "all-linear", "r": 8});
    if let (Some(train), Value::Object(options)) = (train.as_object_mut(), options) {
        train.extend(options);
    }
    ours("scaling", &job(model_dir, &csv, "cpu", train))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}
