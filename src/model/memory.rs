//! What a training pass holds and how much it computes, by formula. `tests/memory.rs` holds the bytes against what a
//! counting allocator sees.

use super::decoder::Decoder;
use super::lora::Projection;
use crate::ops::attention::score_bytes;
use crate::ops::cross_entropy::logits_bytes;
use crate::ops::linear::Linear;
use crate::ops::matmul::slab_bytes;

/// What the memory and time of a packed batch depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BatchSize {
    pub(crate) tokens: usize,
    /// Tokens that have a loss.
    pub(crate) trained: usize,
    /// Σ over the rows of their length squared: what attention grows with.
    pub(crate) squares: usize,
}

impl BatchSize {
    /// Adds a row of `len` tokens of which all from `prompt_len` on are trained.
    pub(crate) fn add_row(&mut self, len: usize, prompt_len: usize) {
        self.tokens += len;
        self.trained += len.saturating_sub(prompt_len.max(1));
        self.squares += len * len;
    }
}

/// Bytes that a pass holds beyond the weights and the adapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassMemory {
    /// Activations that the forward pass leaves for the backward pass.
    pub(crate) activations: u64,
    /// The backward pass of one layer on top of them.
    pub(crate) backward: u64,
    /// The loss on top of them: hidden states of the trained tokens and a chunk of logits. It is gone when the backward
    /// pass begins.
    pub(crate) loss: u64,
}

impl PassMemory {
    /// The most that is held at a time.
    pub(crate) fn peak(&self) -> u64 {
        self.activations + self.backward.max(self.loss)
    }
}

/// Floats per token.
struct Widths {
    hidden: u64,
    queries: u64,
    mlp: u64,
    /// Of a layer's `Activations`: input, queries, keys, values.
    before: u64,
    /// The same: what comes after, but for the MLP's.
    after: u64,
    /// The MLP's as they wait for the backward pass.
    kept_mlp: u64,
}

impl Decoder {
    fn widths(&self) -> Widths {
        let config = &self.config;
        let hidden = config.hidden_size as u64;
        let queries = (config.num_attention_heads * config.head_dim) as u64;
        let keys = (config.num_key_value_heads * config.head_dim) as u64;
        let mlp = config.intermediate_size as u64;
        let unnormed = if config.qk_norm { queries + keys } else { 0 };
        let halved = self.layers.first().is_some_and(|layer| layer.halves_mlp());
        Widths {
            hidden,
            queries,
            mlp,
            before: hidden + queries + 2 * keys + unnormed,
            // attention, middle
            after: queries + hidden,
            kept_mlp: if halved { mlp } else { 2 * mlp },
        }
    }

    /// Bytes of the weights, with what the backward pass through quantized ones adds to them.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let tied = self.config.tie_word_embeddings;
        let embedding = if tied { 0 } else { self.embedding.bytes(false) };
        let linears = self.layers.iter().flat_map(|layer| &layer.linears).map(|linear| linear.bytes(true)).sum::<u64>();
        embedding + self.head.bytes(true) + linears
    }

    /// Bytes that matrix products need besides: each thread's slab for packed operands, as large as its L2 cache and kept
    /// for ever, and the rows of a quantized weight that are widened at a time.
    pub(crate) fn workspace_bytes(&self) -> u64 {
        let linears = self.layers.iter().flat_map(|layer| &layer.linears).chain([&self.head]);
        let widened = linears.map(Linear::widened_bytes).max().unwrap_or(0);
        if self.device.is_cpu() { self.num_threads() as u64 * slab_bytes() + widened } else { 0 }
    }

    /// What [`Decoder::loss_and_gradients`] holds.
    pub(crate) fn training_memory(&self, batch: BatchSize, checkpoint: bool) -> PassMemory {
        let Widths { hidden, mlp, before, after, kept_mlp, .. } = self.widths();
        let (tokens, trained) = (batch.tokens as u64, batch.trained as u64);
        let (layers, others) = (self.layers.len() as u64, self.layers.len() as u64 - 1);
        // The widest moment of `Layer::backward` is that after the gated activation, whose gradients take the place of its
        // operands: dy, the normed input, and a third tensor of the MLP's width.
        let layer = 2 * hidden + mlp;
        let kept = before + after + kept_mlp;
        let made = before + after + 2 * mlp;
        // Most of the last layer is made of the trained rows only. It is gone when the one before it has its turn.
        let (activations, of_last, of_other) = match checkpoint {
            false => {
                let last = tokens * before + trained * (after + kept_mlp);
                let widened = 2 * mlp - kept_mlp + layer;
                (others * tokens * kept + last, trained * widened, (tokens * widened).saturating_sub(last))
            }
            true => {
                let last = tokens * (before - hidden) + trained * (after + 2 * mlp + layer);
                (layers * tokens * hidden, last, tokens * (made - 2 * hidden + layer))
            }
        };
        let backward = if others > 0 { of_last.max(of_other) } else { of_last };
        // Of the trained tokens: the last layer's output, normed, and the gradient.
        let loss = trained * 3 * hidden;
        let logits = logits_bytes(batch.trained, self.config.vocab_size);
        PassMemory {
            activations: 4 * activations,
            backward: 4 * backward,
            loss: 4 * loss + logits + self.head.operand_bytes(logits / 4),
        }
    }

    /// What [`Decoder::loss`] holds: one layer at a time, and no gradient.
    pub(crate) fn evaluation_memory(&self, batch: BatchSize) -> PassMemory {
        let Widths { hidden, mlp, before, after, .. } = self.widths();
        let (tokens, trained) = (batch.tokens as u64, batch.trained as u64);
        PassMemory {
            activations: 4 * tokens * hidden,
            backward: 4 * tokens * (before + after + 3 * mlp),
            loss: 4 * trained * 2 * hidden + logits_bytes(batch.trained, self.config.vocab_size),
        }
    }

    /// What a pass takes, roughly, where a refusal would end the process: copies of operands, each thread's scores of a block
    /// of queries with all `keys`, logits of the `trained` tokens, and what products need besides. Results of operators are
    /// not in it; they are asked for one by one.
    pub(super) fn unfailing_bytes(&self, tokens: usize, keys: usize, trained: usize) -> u64 {
        let Widths { hidden, mlp, .. } = self.widths();
        let scores = self.num_threads() as u64 * 2 * score_bytes(keys);
        let logits = 2 * logits_bytes(trained, self.config.vocab_size);
        4 * tokens as u64 * (hidden + 2 * mlp) + scores + logits + self.workspace_bytes()
    }

    /// Multiply-adds of a forward pass: what its time grows with.
    pub(crate) fn multiply_adds(&self, batch: BatchSize) -> f64 {
        let Widths { hidden, queries, .. } = self.widths();
        let linears = Projection::ALL.map(|projection| {
            let (outputs, inputs) = self.projection_shape(projection);
            (outputs * inputs) as f64
        });
        // Scores and their sum of values, over half of the keys.
        let attention = batch.squares as f64 * queries as f64;
        let layers = self.layers.len() as f64 * (batch.tokens as f64 * linears.iter().sum::<f64>() + attention);
        layers + batch.trained as f64 * (hidden as f64 * self.config.vocab_size as f64)
    }
}
