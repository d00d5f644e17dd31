//! Deltas that no one trains, made ready for products. On the CPU they are packed as frozen weights are, so that a row has the
//! same bits whatever stands beside it; on a card, few rows of them have kernels of their own.

use super::LoraWeights;
use super::cuda::{self, FEW};
use crate::error::Result;
use crate::tensor::{Form, Matrix};
use crate::weights::{Dense, FrozenMatrix, Operand};
use std::ops::Range;
use std::sync::Arc;

/// The factors of a delta.
#[derive(Debug)]
pub(crate) enum Frozen {
    Packed { a: Box<Dense>, b: Box<Dense> },
    OnCard { a: Arc<Matrix>, b: Arc<Matrix> },
}

impl LoraWeights {
    /// The same delta, made ready; it has no gradient.
    pub(crate) fn frozen(&self) -> Result<Self> {
        let frozen = match self.a.on_gpu() {
            false => Frozen::Packed { a: Box::new(Dense::f32(&self.a)?), b: Box::new(Dense::f32(&self.b)?) },
            true => Frozen::OnCard { a: self.a.clone(), b: self.b.clone() },
        };
        Ok(LoraWeights { frozen: Some(Arc::new(frozen)), ..self.clone() })
    }
}

impl Frozen {
    /// `x Aᵀ` of some rows.
    pub(super) fn project(&self, x: &Matrix, rows: Range<usize>) -> Result<Matrix> {
        match self {
            Frozen::Packed { a, .. } if rows == (0..x.rows()) => a.product(&Operand::of(x)),
            Frozen::Packed { a, .. } => a.product(&Operand::owned(x.part(rows)?)),
            Frozen::OnCard { a, .. } if rows.len() <= FEW => cuda::down(&[a], x, rows),
            Frozen::OnCard { a, .. } => Matrix::product_of_rows(Form::NT, x, rows, a),
        }
    }

    /// Adds `scaling · low Bᵀ` to some rows of `y`.
    pub(super) fn add(&self, y: &mut Matrix, rows: Range<usize>, low: &Matrix, scaling: f64) -> Result<()> {
        match self {
            Frozen::Packed { b, .. } => y.add_to_rows(rows, &b.product(&Operand::of(low))?, scaling as f32),
            Frozen::OnCard { b, .. } if rows.len() <= FEW => cuda::up(y, rows, low, b, scaling),
            Frozen::OnCard { b, .. } => y.add_product_to_rows(rows, Form::NT, low, b, scaling),
        }
    }
}
