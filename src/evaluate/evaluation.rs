//! How well a model predicts the answers of rows: mean loss per answer token, and perplexity.

use super::batches::{pack, validation_batches};
use crate::dataset::Examples;
use crate::error::Result;
use crate::model::{Decoder, LoraStack};
use serde_json::{Value, json};

/// A sum of losses and the tokens it is over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Loss {
    pub(crate) sum: f64,
    pub(crate) tokens: usize,
}

impl Loss {
    /// Mean loss per token, nats.
    pub(crate) fn mean(self) -> f64 {
        self.sum / self.tokens as f64
    }
}

/// The loss of some of the rows. `each` is told after every forward pass how many rows are done; its error ends the work.
pub(crate) fn loss_of(
    decoder: &Decoder,
    lora: &LoraStack,
    examples: &Examples,
    rows: &[usize],
    each: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Loss> {
    let mut loss = Loss::default();
    let mut done = 0;
    each(done)?;
    for group in validation_batches(rows, &examples.rows) {
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
pub(crate) struct Evaluation {
    /// Rows that were not trained on.
    pub(crate) rows: usize,
    /// Mean loss per answer token of the base model, nats.
    pub(crate) base: f64,
    /// The same with the adapter.
    pub(crate) adapter: f64,
}

impl Evaluation {
    pub(crate) fn json(self) -> Value {
        json!({ "rows": self.rows, "base": figures(self.base), "adapter": figures(self.adapter) })
    }
}

/// `{loss, perplexity}`: perplexity is e to the mean loss.
pub(crate) fn figures(loss: f64) -> Value {
    json!({ "loss": loss, "perplexity": loss.exp() })
}
