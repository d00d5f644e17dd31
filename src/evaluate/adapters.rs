//! Measures adapters on a dataset: what a host asks for after training, or on rows that came later.

use super::evaluation::{figures, loss_of};
use super::memorisation::{Asked, Probe, memorisation};
use crate::adapter::Adapter;
use crate::control::{Monitor, Phase, Progress};
use crate::dataset::{Dataset, Examples};
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::model::LoraStack;
use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Instant;

/// Options of `tailora_evaluate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateOptions {
    /// Tokens per row at most, prompt and completion together; longer rows are an error or left out, as the dataset says.
    #[schemars(range(min = 8, max = 16_777_216))]
    pub max_length: usize,
    /// Inputs that are answered (at most 128 tokens each), evenly over the rows, if the training rows are given; 0 leaves
    /// that out.
    #[schemars(range(min = 0, max = 64))]
    pub memorisation_samples: usize,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        EvaluateOptions { max_length: 1024, memorisation_samples: 4 }
    }
}

impl Options for EvaluateOptions {
    const NAME: &'static str = "evaluate";
}

/// How well a model predicts the outputs of a dataset, without adapters (`base`) and with all of `adapters` attached at
/// once (`adapter`), each at its scale (1 is the adapter as trained).
///
/// The value has `rows`, `skipped_rows`, `truncated_rows`, `tokens` (those of the answers), and `loss` (mean per answer token, nats) and
/// `perplexity` of each; `adapter` is null without adapters. With `training`, the rows that the adapters were trained on,
/// `memorisation` says how much of the answers to the dataset's inputs is copied from them. To say something about new
/// cases, the rows must not have been trained on.
///
/// # Errors
/// `ContextLength` for rows of more than `max_length` tokens (unless the dataset skips them), `AdapterMismatch` for an
/// adapter of another model, `InvalidArgument` for a scale that is no number or a dataset without rows, `InvalidOptions`,
/// `Cancelled`.
pub fn evaluate(
    model: &LanguageModel,
    adapters: &[(&Adapter, f64)],
    dataset: &Dataset,
    training: Option<&Dataset>,
    options: &EvaluateOptions,
    monitor: &mut Monitor<'_>,
) -> Result<Value> {
    options.validate()?;
    let begun = Instant::now();
    let decoder = model.decoder();
    let max_length = options.max_length.min(decoder.config().max_position_embeddings);
    let examples = dataset.examples(model.format(), max_length, monitor)?;
    let rows: Vec<usize> = (0..examples.rows.len()).collect();
    if rows.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "the dataset has no row; expected at least one"));
    }
    let mut stack = LoraStack::none();
    for (adapter, scale) in adapters {
        model.check_adapter(adapter)?;
        adapter.attach_to(&mut stack, *scale)?;
    }
    let passes = if adapters.is_empty() { 1 } else { 2 };
    let total = (passes * rows.len()) as u64;
    let mut run = |lora: &LoraStack, before: usize| {
        loss_of(decoder, lora, &examples, &rows, &mut |done| {
            monitor.report(&Progress::new(Phase::Validate, (before + done) as u64, total, begun.elapsed()));
            monitor.check()
        })
    };
    let base = run(&LoraStack::none(), 0)?;
    let adapted = if adapters.is_empty() { None } else { Some(run(&stack, rows.len())?) };
    let memorisation = match training {
        None => Value::Null,
        Some(training) => {
            let probe = probe(stack, &examples, dataset, training);
            memorisation(model, options.memorisation_samples, &probe, monitor)?
        }
    };
    Ok(json!({
        "rows": rows.len(),
        "skipped_rows": examples.skipped.len(),
        "truncated_rows": examples.truncated.len(),
        "tokens": base.tokens,
        "base": figures(base.mean()),
        "adapter": adapted.map(|loss| figures(loss.mean())),
        "memorisation": memorisation,
        "seconds": begun.elapsed().as_secs_f64(),
    }))
}

/// What asks the rows of `dataset` of adapters that were trained on those of `training`.
fn probe<'a>(lora: LoraStack, examples: &'a Examples, dataset: &'a Dataset, training: &'a Dataset) -> Probe<'a> {
    let asked = examples.rows.iter().zip(&examples.row_numbers);
    let asked = asked.map(|(row, &number)| Asked {
        prompt: &row.ids[..row.prompt_len],
        output: dataset.output(number),
        row: None,
    });
    Probe {
        lora,
        asked: asked.collect(),
        trained: training.rows().iter().map(|row| (row.number, row.output.as_str())).collect(),
        note: None,
    }
}
