//! What a training pass holds and how much it computes, by formula. `tests/memory.rs` holds the bytes against what a
//! counting allocator sees.

use super::decoder::Decoder;
use crate::ops::attention::score_bytes;
use crate::ops::cross_entropy::logits_bytes;
use crate::tensor::gemm::slab_bytes;
use crate::weights::{Linear, Purpose};

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
    pub(crate) saved: u64,
    /// The backward pass of one layer on top of them.
    pub(crate) backward: u64,
    /// The loss on top of them: hidden states of the trained tokens and a chunk of logits. It is gone when the backward
    /// pass begins.
    pub(crate) loss: u64,
}

impl PassMemory {
    /// The most that is held at a time.
    pub(crate) fn peak(&self) -> u64 {
        self.saved + self.backward.max(self.loss)
    }
}

impl Decoder {
    fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(|layer| layer.linears())
    }

    /// Bytes of the weights, with what the backward pass through quantized ones adds to them.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let tied = self.config.tie_word_embeddings;
        let embedding = if tied { 0 } else { self.embedding.bytes(Purpose::Inference) };
        let linears = self.linears().map(|linear| linear.bytes(Purpose::Training)).sum::<u64>();
        embedding + self.head.linear.bytes(Purpose::Training) + linears
    }

    /// Bytes that matrix products need besides: each thread's slab for packed operands, as large as its L2 cache and kept
    /// for ever, and the rows of a quantized weight that are dequantized at a time; and what a card takes for itself.
    pub(crate) fn workspace_bytes(&self) -> u64 {
        let dequantized = self.linears().chain([&self.head.linear]).map(Linear::workspace_bytes).max().unwrap_or(0);
        let slabs = if self.device.is_host() { self.num_threads() as u64 * slab_bytes() } else { 0 };
        slabs + dequantized + self.device.overhead_bytes()
    }

    /// What [`Decoder::loss_and_gradients`] holds where so many layers are kept.
    pub(crate) fn training_memory(&self, batch: BatchSize, kept_layers: usize) -> PassMemory {
        let Some(layer) = self.layers.first() else { return PassMemory::default() };
        let (hidden, mlp) = (self.config.hidden_size as u64, layer.mlp.width());
        let (tokens, trained) = (batch.tokens as u64, batch.trained as u64);
        // Most of the last layer is made of the trained rows only. It is gone when the one before it has its turn.
        let size = self.device.activation_bytes();
        let (last, other) = (layer.saved_bytes(size, tokens, trained), layer.saved_bytes(size, tokens, tokens));
        // The widest moment of a layer's backward pass is that after the gated activation, whose gradients take the place of
        // its operands, in f32 now: dy, the normed input, and a third matrix of the MLP's width.
        let widest = |rows: u64| rows * (4 * hidden + size * (hidden + mlp));
        let widened = |rows: u64| (layer.mlp.rounded_bytes(rows)) + widest(rows);
        let input = 4 * tokens * hidden;
        let full = kept_layers.min(self.layers.len()) as u64;
        let again = self.layers.len() as u64 - full;
        // Of the layers from the first to one of them what is kept, and that one's backward pass.
        let of_inputs = |others: u64, of: u64, rows: u64| others * input + of + widened(rows);
        let of_full = |others: u64| again * input + others * other;
        let (saved, at_last) = match full {
            0 => (again * input, of_inputs(again - 1, last, trained)),
            _ => (of_full(full - 1) + last, of_full(full - 1) + last + widened(trained)),
        };
        let below = self.layers.len() as u64 - 1;
        let at_full = if full > 1 { of_full(full - 1) + widened(tokens) } else { 0 };
        let at_again = if again.min(below) > 0 { of_inputs(again.min(below) - 1, other, tokens) } else { 0 };
        let backward = at_last.max(at_full).max(at_again).saturating_sub(saved);
        // Of the trained tokens: the last layer's output, normed, and the gradient.
        let loss = 4 * trained * 3 * hidden;
        let logits = logits_bytes(batch.trained, self.config.vocab_size, self.device.is_on_card()) / 4 * size;
        PassMemory { saved, backward, loss: loss + logits + self.head.linear.operand_bytes(logits / size) }
    }

    /// What [`Decoder::loss`] holds: one layer at a time, and no gradient.
    pub(crate) fn evaluation_memory(&self, batch: BatchSize) -> PassMemory {
        let Some(layer) = self.layers.first() else { return PassMemory::default() };
        let (hidden, tokens, trained) = (self.config.hidden_size as u64, batch.tokens as u64, batch.trained as u64);
        let size = self.device.activation_bytes();
        PassMemory {
            saved: 4 * tokens * hidden,
            backward: layer.saved_bytes(size, tokens, tokens)
                + layer.mlp.rounded_bytes(tokens)
                + size * tokens * layer.mlp.width(),
            loss: 4 * trained * 2 * hidden
                + logits_bytes(batch.trained, self.config.vocab_size, self.device.is_on_card()),
        }
    }

    /// What a pass takes, roughly, where a refusal would end the process: copies of operands, each thread's scores of a block
    /// of queries with all `keys`, logits of the `trained` tokens, and what products need besides. Results of operators are
    /// not in it; they are asked for one by one.
    pub(super) fn unfailing_bytes(&self, tokens: usize, keys: usize, trained: usize) -> u64 {
        if self.device.is_on_card() {
            // A card's memory is asked for piece by piece, and refuses.
            return 0;
        }
        let (hidden, mlp) = (self.config.hidden_size as u64, self.config.intermediate_size as u64);
        let group = self.config.num_attention_heads / self.config.num_key_value_heads;
        let scores = self.num_threads() as u64 * score_bytes(keys, group);
        let logits = 2 * logits_bytes(trained, self.config.vocab_size, self.device.is_on_card());
        4 * tokens as u64 * (hidden + 2 * mlp) + scores + logits + self.workspace_bytes()
    }

    /// Multiply-adds of a forward pass: what its time grows with.
    pub(crate) fn multiply_adds(&self, batch: BatchSize) -> f64 {
        let config = &self.config;
        let (hidden, queries) = (config.hidden_size as f64, (config.num_attention_heads * config.head_dim) as f64);
        let linears = self.layers.iter().map(|layer| layer.multiply_adds()).sum::<f64>();
        // Scores and their sum of values, over half of the keys.
        let attention = self.layers.len() as f64 * batch.squares as f64 * queries;
        batch.tokens as f64 * linears + attention + batch.trained as f64 * (hidden * config.vocab_size as f64)
    }
}
