//! What operators are told besides their operands.

use std::ops::Range;

/// The heads of attention; the same in every call of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) queries: usize,
    /// Key/value heads; divides `queries`.
    pub(crate) keys: usize,
    /// Features per head.
    pub(crate) dim: usize,
    /// Keys a query sees, itself included; `None` for all before it.
    pub(crate) window: Option<usize>,
    /// What the products of queries and keys are multiplied with.
    pub(crate) scale: f32,
    /// c, where those scores become c·tanh(score/c).
    pub(crate) softcap: Option<f32>,
}

impl Heads {
    /// Every key before a query, scaled by 1/√dim.
    pub(crate) fn new(queries: usize, keys: usize, dim: usize) -> Self {
        Heads { queries, keys, dim, window: None, scale: 1.0 / (dim as f32).sqrt(), softcap: None }
    }

    /// Query heads per key/value head.
    pub(super) fn group(&self) -> usize {
        self.queries / self.keys
    }
}

/// One sequence: the last query sees the last key, the one before it the key before, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Rows of the queries.
    pub(crate) queries: Range<usize>,
    /// Rows of the keys and values, at least as many, in the order of their positions: one run, or blocks of a pool.
    pub(crate) keys: Vec<Range<usize>>,
}

impl Span {
    /// Keys of the sequence.
    pub(crate) fn num_keys(&self) -> usize {
        self.keys.iter().map(Range::len).sum()
    }

    /// The keys that query `i` of the span sees, counted from the first.
    pub(super) fn visible(&self, i: usize, window: Option<usize>) -> Range<usize> {
        let end = self.num_keys() - self.queries.len() + i + 1;
        end.saturating_sub(window.unwrap_or(usize::MAX))..end
    }
}

/// How a rotation takes the features of a head in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// Feature i and that half of the rotated ones further (`rotate_half`).
    Halves,
    /// Neighbours.
    Neighbours,
}

/// The activation of the gate, by its Hugging Face `hidden_act`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `silu`: x · σ(x)
    Silu,
    /// `gelu_pytorch_tanh`: the tanh approximation of GELU
    GeluTanh,
}

/// What a step of AdamW multiplies with.
#[derive(Clone, Copy)]
pub(super) struct AdamFactors {
    pub(super) keep: f32,
    pub(super) beta1: f32,
    pub(super) beta2: f32,
    pub(super) new1: f32,
    pub(super) new2: f32,
    pub(super) step_size: f32,
    pub(super) root_correction: f32,
    pub(super) eps: f32,
    pub(super) clip: f32,
}
