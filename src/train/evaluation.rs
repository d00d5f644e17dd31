//! How well a model predicts the answers of rows: mean loss per answer token, and perplexity.

use super::data::{groups, pack};
use crate::adapter::Adapter;
use crate::control::{Monitor, Phase, Progress};
use crate::dataset::{Dataset, Examples};
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::model::{Decoder, LoraStack};
use serde_json::{Value, json};
use std::time::Instant;

/// Tokens of one forward pass: enough to keep all cores busy, little enough to hold.
const TOKENS: usize = 2048;

/// A sum of losses and the tokens it is over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Loss {
    pub(super) sum: f64,
    pub(super) tokens: usize,
}

impl Loss {
    /// Mean loss per token, nats.
    pub(super) fn mean(self) -> f64 {
        self.sum / self.tokens as f64
    }
}

/// The loss of some of the rows. `each` is told after every forward pass how many rows are done; its error ends the work.
pub(super) fn loss_of(
    decoder: &Decoder,
    lora: &LoraStack,
    examples: &Examples,
    rows: &[usize],
    each: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Loss> {
    let mut loss = Loss::default();
    let mut done = 0;
    each(done)?;
    for group in groups(rows, &examples.rows, usize::MAX, TOKENS) {
        let batch = pack(group.iter().map(|&row| &examples.rows[row]));
        loss.sum += decoder.loss(&batch, lora)?;
        loss.tokens += batch.num_trained();
        done += group.len();
        each(done)?;
    }
    Ok(loss)
}

/// The loss and perplexity of the base model and of an adapter on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evaluation {
    /// Rows that were not trained on.
    pub(super) rows: usize,
    /// Mean loss per answer token of the base model, nats.
    pub(super) base: f64,
    /// The same with the adapter.
    pub(super) adapter: f64,
}

impl Evaluation {
    pub(super) fn json(self) -> Value {
        json!({ "rows": self.rows, "base": figures(self.base), "adapter": figures(self.adapter) })
    }
}

/// `{loss, perplexity}`: perplexity is e to the mean loss.
fn figures(loss: f64) -> Value {
    json!({ "loss": loss, "perplexity": loss.exp() })
}

/// How well a model predicts the outputs of a dataset, without adapters (`base`) and with all of `adapters` attached at
/// once (`adapter`), each at its scale (1 is the adapter as trained).
///
/// The value has `rows`, `skipped_rows`, `tokens` (those of the answers), and `loss` (mean per answer token, nats) and
/// `perplexity` of each; `adapter` is null without adapters. To say something about new cases, the rows must not have been
/// trained on.
///
/// # Errors
/// `ContextLength` for rows of more than `max_length` tokens (unless the dataset skips them), `AdapterMismatch` for an
/// adapter of another model, `InvalidArgument` for a scale that is no number or a dataset without rows, `Cancelled`.
pub fn evaluate(
    model: &LanguageModel,
    adapters: &[(&Adapter, f64)],
    dataset: &Dataset,
    max_length: usize,
    monitor: &mut Monitor<'_>,
) -> Result<Value> {
    let begun = Instant::now();
    let decoder = model.decoder();
    let max_length = max_length.min(decoder.config().max_position_embeddings);
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
    Ok(json!({
        "rows": rows.len(),
        "skipped_rows": examples.skipped.len(),
        "tokens": base.tokens,
        "base": figures(base.mean()),
        "adapter": adapted.map(|loss| figures(loss.mean())),
    }))
}
