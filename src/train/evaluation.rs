//! How well a model predicts the answers of rows: mean loss per answer token, and perplexity.

use super::data::{groups, pack};
use crate::dataset::Examples;
use crate::error::Result;
use crate::model::{Decoder, LoraStack};
use serde_json::{Value, json};

/// Tokens of one forward pass: enough to keep all cores busy, little enough to hold.
pub(super) const TOKENS: usize = 2048;

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
pub(super) fn figures(loss: f64) -> Value {
    json!({ "loss": loss, "perplexity": loss.exp() })
}
