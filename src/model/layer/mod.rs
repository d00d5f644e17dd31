//! One decoder layer: two blocks, each with its norms and around a residual; forward and backward.

mod around;
mod attention;
mod experts;
mod feed_forward;
mod mlp;
mod pass;
mod projections;

pub(super) use around::Around;
pub(super) use attention::Attention;
pub(super) use experts::{Expert, Experts};
pub(super) use feed_forward::FeedForward;
pub(super) use mlp::Mlp;
pub(super) use pass::Pass;
pub(super) use projections::{Adaptable, Projections};

use super::kv_pool::KvPool;
use super::sites::LoraGradients;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::Linear;

/// A part of a layer that adds to the residual stream.
pub(super) trait Block {
    /// What backward needs of the forward pass.
    type Saved;

    /// The forward pass up to its last projection. With a pool, keys and values go through it.
    fn save(&self, pass: &Pass<'_>, residual: Matrix, kv: Option<&mut KvPool>) -> Result<Self::Saved>;

    /// The rest of it: the residual stream with what this block adds. What only this needed is dropped.
    fn output(&self, pass: &Pass<'_>, saved: &mut Self::Saved) -> Result<Matrix>;

    /// Both, where nothing is to be saved.
    fn forward(&self, pass: &Pass<'_>, residual: Matrix, kv: Option<&mut KvPool>) -> Result<Matrix> {
        let mut saved = self.save(pass, residual, kv)?;
        self.output(pass, &mut saved)
    }

    /// The gradient of the residual stream that went in, unless nothing below is trained; those of the deltas go into
    /// `gradients`.
    fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Self::Saved,
        dy: Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>>;

    /// Bytes that wait for the backward pass, of a batch of so many tokens whose `outputs` go on, with activations of `size`
    /// bytes an element; the residual stream is f32 wherever it is.
    fn saved_bytes(&self, size: u64, tokens: u64, outputs: u64) -> u64;

    /// The projections, in the order of the forward pass.
    fn projections(&self) -> impl Iterator<Item = &Adaptable>;
}

/// The weights of one layer and its constants.
pub(super) struct Layer {
    pub(super) attention: Attention,
    pub(super) mlp: FeedForward,
}

/// What a layer leaves for its backward pass.
pub(super) enum Saved {
    /// All it needs.
    All(Box<(<Attention as Block>::Saved, <FeedForward as Block>::Saved)>),
    /// Its input alone: it is run again (Chen et al. 2016, activation checkpointing).
    Input(Matrix),
}

/// What is kept of a layer for its backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Input,
    All,
}

impl Layer {
    /// The residual stream after the layer, and what is kept.
    pub(super) fn forward(
        &self,
        pass: &Pass<'_>,
        input: Matrix,
        kv: Option<&mut KvPool>,
        keep: Keep,
    ) -> Result<(Matrix, Option<Saved>)> {
        let mut attention = self.attention.save(pass, input, kv)?;
        let residual = self.attention.output(pass, &mut attention)?;
        if keep == Keep::All {
            let mut mlp = self.mlp.save(pass, residual, None)?;
            let output = self.mlp.output(pass, &mut mlp)?;
            return Ok((output, Some(Saved::All(Box::new((attention, mlp.waiting()?))))));
        }
        // What is not kept goes before the MLP makes the widest of a layer's matrices.
        let input = attention.into_input();
        let saved = (keep == Keep::Input).then(|| Saved::Input(input));
        Ok((self.mlp.forward(pass, residual, None)?, saved))
    }

    /// The gradient of the layer's input, unless nothing below it is trained.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Saved,
        dy: Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>> {
        let (attention, mlp) = match saved {
            Saved::All(saved) => *saved,
            Saved::Input(input) => {
                let mut attention = self.attention.save(pass, input, None)?;
                let residual = self.attention.output(pass, &mut attention)?;
                let mut mlp = self.mlp.save(pass, residual, None)?;
                if self.mlp.needs_output() {
                    // The norm of the output needs it once more.
                    self.mlp.output(pass, &mut mlp)?;
                }
                (attention, mlp.waiting()?)
            }
        };
        match self.mlp.backward(pass, mlp, dy, gradients)? {
            None => Ok(None),
            Some(dy) => self.attention.backward(pass, attention, dy, gradients),
        }
    }

    /// Bytes that wait for the backward pass.
    pub(super) fn saved_bytes(&self, size: u64, tokens: u64, outputs: u64) -> u64 {
        self.attention.saved_bytes(size, tokens, outputs) + self.mlp.saved_bytes(size, tokens, outputs)
    }

    /// Every matrix.
    pub(super) fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.projections().map(|projection| &projection.linear).chain(self.mlp.frozen().0)
    }

    /// Multiply-adds of a token in products with weights.
    pub(super) fn multiply_adds(&self) -> f64 {
        let size = |linear: &Linear| (linear.shape().0 * linear.shape().1) as f64;
        let (frozen, part) = self.mlp.frozen();
        self.projections().map(|projection| size(&projection.linear)).sum::<f64>()
            + part * frozen.into_iter().map(size).sum::<f64>()
    }

    /// Every projection, in the order of the forward pass.
    pub(super) fn projections(&self) -> impl Iterator<Item = &Adaptable> {
        self.attention.projections().chain(self.mlp.projections())
    }
}
