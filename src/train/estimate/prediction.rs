//! What a training will take, before it: memory by formula, time by running a small part of it.

use super::memory::MemoryEstimate;
use super::pace::{Pace, pace};
use super::workload::Workload;
use crate::conclusions::VARIANTS;
use crate::control::Monitor;
use crate::dataset::{Dataset, Examples};
use crate::error::{Code, Error, Result};
use crate::evaluate::{MAX_TOKENS, pack, size};
use crate::language_model::LanguageModel;
use crate::model::{BatchSize, PackedBatch};
use crate::options::Options;
use crate::train::batches::MicroBatches;
use crate::train::options::TrainOptions;
use serde_json::{Value, json};

/// Tokens of the micro-batch that is timed: short, yet as busy as a long one.
const PROBE_TOKENS: usize = 1024;

/// Predicts the memory and the time of [`crate::train()`] with the same arguments, which it neither begins nor changes.
///
/// `memory` is the peak in bytes, in parts; `time` counts all planned steps, so early stopping only makes it less.
/// Without a dataset, memory is that of `batch_size` rows of `max_length` tokens, all trained, and `time` has only the
/// speed. `time` is null if training would be refused.
///
/// # Errors
/// As for [`crate::train()`], but `max_memory` is no error: the value says that it does not suffice. `Cancelled` between any
/// two passes.
pub fn estimate(
    model: &LanguageModel,
    dataset: Option<&Dataset>,
    options: &TrainOptions,
    monitor: &mut Monitor<'_>,
) -> Result<Value> {
    options.validate()?;
    let max_length = options.max_length.min(model.decoder().config().max_position_embeddings);
    let examples = dataset.map(|dataset| dataset.examples(model.format(), max_length, monitor)).transpose()?;
    if examples.as_ref().is_some_and(|examples| !examples.can_be_trained_on()) {
        return Err(Error::new(Code::Training, "the dataset has no row to train on"));
    }
    let workload = match &examples {
        Some(examples) => Workload::of(examples, options),
        None => Workload::greatest(max_length, options),
    };
    let memory = MemoryEstimate::of(model, &workload, options)?;
    let time = match memory.fits() {
        false => Value::Null,
        true => {
            let (batch, size) = match &examples {
                Some(examples) => typical(examples, options),
                None => synthetic(max_length.min(PROBE_TOKENS)),
            };
            let pace = pace(model, &batch, size, options, memory.kept_layers, monitor)?;
            time(model, &workload, examples.as_ref(), size, &pace, options)
        }
    };
    let mut parts = memory.json();
    parts["max_memory"] = json!(memory.limit);
    parts["available_bytes"] = json!(model.decoder().device().free_memory());
    parts["fits"] = json!(memory.fits());
    Ok(json!({
        "rows": examples.as_ref().map(|examples| examples.rows.len()),
        "skipped_rows": examples.as_ref().map(|examples| examples.skipped.len()),
        "truncated_rows": examples.as_ref().map(|examples| examples.truncated.len()),
        "truncated": examples.as_ref().map(Examples::listed_cuts),
        "longest_row": examples.as_ref().map(Examples::longest),
        "steps": examples.as_ref().map(|_| workload.steps),
        "tokens": examples.as_ref().map(|_| workload.tokens()),
        "gradient_checkpointing": memory.checkpoints(),
        "memory": parts,
        "time": time,
    }))
}

/// The micro-batch of the first epoch that is neither long nor short, or as many of its rows as the probe allows.
fn typical(examples: &Examples, options: &TrainOptions) -> (PackedBatch, BatchSize) {
    let all: Vec<usize> = (0..examples.rows.len()).collect();
    let epoch = MicroBatches::new(&all, options).epoch(0);
    let mut batches: Vec<&[usize]> = epoch.steps().flatten().collect();
    // What is left over at the end is no whole batch.
    batches.retain(|batch| batch.len() == options.batch_size.min(all.len()));
    batches.sort_by_key(|batch| batch.iter().map(|&index| examples.rows[index].ids.len()).sum::<usize>());
    let mut tokens = 0;
    let mut rows = Vec::new();
    for &index in batches[batches.len() / 2] {
        let row = &examples.rows[index];
        tokens += row.ids.len();
        if !rows.is_empty() && tokens > PROBE_TOKENS {
            break;
        }
        rows.push(row);
    }
    (pack(rows.iter().copied()), size(rows))
}

/// One row of `tokens` tokens, all trained.
fn synthetic(tokens: usize) -> (PackedBatch, BatchSize) {
    let (mut batch, mut size) = (PackedBatch::default(), BatchSize::default());
    batch.push(&vec![0; tokens], |_| true);
    size.add_row(tokens, 0);
    (batch, size)
}

fn time(
    model: &LanguageModel,
    workload: &Workload,
    examples: Option<&Examples>,
    probed: BatchSize,
    pace: &Pace,
    options: &TrainOptions,
) -> Value {
    let speed = probed.tokens as f64 / (pace.training * model.decoder().multiply_adds(probed));
    let Some(examples) = examples else {
        return json!({ "seconds": null, "tokens_per_second": speed });
    };
    // Not `sum`, which makes −0 of nothing.
    let work =
        |batches: &[BatchSize]| batches.iter().fold(0.0, |sum, &batch| sum + model.decoder().multiply_adds(batch));
    let training = work(&workload.training) * workload.training_factor * pace.training
        + workload.steps as f64 * pace.optimizer_step;
    let validation = work(&workload.validation) * workload.validations as f64 * pace.validation;
    let answers = options.memorisation_samples.min(examples.rows.len());
    let mean_answer = examples.tokens().1 / examples.rows.len().max(1);
    let memorisation = (answers * mean_answer.min(MAX_TOKENS)) as f64 * pace.generated_token;
    // With folds all rows are held out in turn; each is answered once and in variants.
    let texts = options.calibration_rows.min(workload.held_out) * (1 + VARIANTS);
    let calibration = (texts * mean_answer) as f64 * pace.generated_token;
    json!({
        "seconds": training + validation + memorisation + calibration,
        "training_seconds": training,
        "validation_seconds": validation,
        "memorisation_seconds": memorisation,
        "calibration_seconds": calibration,
        "tokens_per_second": workload.tokens() as f64 / training.max(1e-9),
    })
}
