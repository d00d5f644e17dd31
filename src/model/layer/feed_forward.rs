//! The second block of a layer: one gated MLP, or many experts.

use super::super::kv_pool::KvPool;
use super::super::sites::LoraGradients;
use super::{Adaptable, Around, Block, Experts, Mlp, Pass};
use crate::error::{Code, Error, Result};
use crate::tensor::Matrix;
use crate::weights::Linear;

/// What a layer has there.
pub(in crate::model) enum FeedForward {
    Gated(Mlp),
    Experts(Experts),
}

/// What of it waits for the backward pass.
pub(in crate::model) enum Saved {
    Gated(<Mlp as Block>::Saved),
    Experts(<Experts as Block>::Saved),
}

impl Saved {
    /// As it waits for the backward pass, once the output is made.
    pub(super) fn waiting(self) -> Result<Self> {
        Ok(match self {
            Saved::Gated(saved) => Saved::Gated(saved.waiting()?),
            Saved::Experts(_) => self,
        })
    }
}

impl FeedForward {
    fn around(&self) -> &Around {
        match self {
            FeedForward::Gated(mlp) => &mlp.around,
            FeedForward::Experts(experts) => &experts.around,
        }
    }

    /// Whether the backward pass needs the output once more.
    pub(super) fn needs_output(&self) -> bool {
        self.around().after.is_some()
    }

    /// Bytes by which the operands of the gated product grow when they are exact again.
    pub(in crate::model) fn rounded_bytes(&self, outputs: u64) -> u64 {
        match self {
            FeedForward::Gated(mlp) => mlp.rounded_bytes(outputs),
            FeedForward::Experts(_) => 0,
        }
    }

    /// Columns of a token's gated products.
    pub(in crate::model) fn width(&self) -> u64 {
        match self {
            FeedForward::Gated(mlp) => mlp.width(),
            FeedForward::Experts(experts) => experts.width(),
        }
    }

    /// Matrices that no delta attaches to, and which part of them a token goes through.
    pub(in crate::model) fn frozen(&self) -> (Vec<&Linear>, f64) {
        match self {
            FeedForward::Gated(_) => (Vec::new(), 1.0),
            FeedForward::Experts(experts) => {
                (experts.linears().collect(), experts.per_token as f64 / experts.experts.len().max(1) as f64)
            }
        }
    }
}

impl Block for FeedForward {
    type Saved = Saved;

    fn save(&self, pass: &Pass<'_>, residual: Matrix, kv: Option<&mut KvPool>) -> Result<Saved> {
        Ok(match self {
            FeedForward::Gated(mlp) => Saved::Gated(mlp.save(pass, residual, kv)?),
            FeedForward::Experts(experts) => Saved::Experts(experts.save(pass, residual, kv)?),
        })
    }

    fn output(&self, pass: &Pass<'_>, saved: &mut Saved) -> Result<Matrix> {
        match (self, saved) {
            (FeedForward::Gated(mlp), Saved::Gated(saved)) => mlp.output(pass, saved),
            (FeedForward::Experts(experts), Saved::Experts(saved)) => experts.output(pass, saved),
            _ => Err(another()),
        }
    }

    fn forward(&self, pass: &Pass<'_>, residual: Matrix, kv: Option<&mut KvPool>) -> Result<Matrix> {
        match self {
            FeedForward::Gated(mlp) => mlp.forward(pass, residual, kv),
            FeedForward::Experts(experts) => experts.forward(pass, residual, kv),
        }
    }

    fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Saved,
        dy: Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>> {
        match (self, saved) {
            (FeedForward::Gated(mlp), Saved::Gated(saved)) => mlp.backward(pass, saved, dy, gradients),
            (FeedForward::Experts(experts), Saved::Experts(saved)) => experts.backward(pass, saved, dy, gradients),
            _ => Err(another()),
        }
    }

    fn saved_bytes(&self, size: u64, tokens: u64, outputs: u64) -> u64 {
        match self {
            FeedForward::Gated(mlp) => mlp.saved_bytes(size, tokens, outputs),
            FeedForward::Experts(experts) => experts.saved_bytes(size, tokens, outputs),
        }
    }

    fn projections(&self) -> impl Iterator<Item = &Adaptable> {
        let mlp = match self {
            FeedForward::Gated(mlp) => Some(mlp),
            FeedForward::Experts(_) => None,
        };
        mlp.into_iter().flat_map(Block::projections)
    }
}

fn another() -> Error {
    Error::new(Code::Internal, "what one kind of block saved is another's")
}
