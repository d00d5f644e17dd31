//! Deltas that no one trains, made ready for products. On the CPU they are packed as frozen weights are, so that a row has the
//! same bits whatever stands beside it; on a card, few rows of them have kernels of their own.

use super::LoraWeights;
use super::cuda::{self, FEW};
use crate::error::Result;
use crate::tensor::{Form, Matrix};
use crate::weights::{Dense, FrozenMatrix, Operand};
use once_cell::race::OnceBox;
use std::ops::Range;
use std::sync::Arc;

/// The factors of a delta.
#[derive(Debug)]
pub(crate) enum Frozen {
    /// Their product is to be multiplied with `unit`.
    Packed {
        a: Box<Dense>,
        b: Box<Dense>,
        unit: f32,
    },
    OnCard {
        a: Arc<Matrix>,
        b: Arc<Matrix>,
    },
}

/// What was made ready of a delta, for all who attach it: with factors in f32, and in f16. No one waits for another who makes it:
/// packing is parallel, and who waits for it may be given work that waits for the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ready(Arc<[OnceBox<Arc<Frozen>>; 2]>);

impl LoraWeights {
    /// The same delta, made ready; it has no gradient. Beside products that round their operands, its factors are in f16: each token
    /// that is written reads them all.
    pub(crate) fn frozen(&self, beside_rounding: bool) -> Result<Self> {
        let make = || Frozen::of(self, beside_rounding).map(Arc::new);
        let frozen = match &self.ready {
            Some(ready) => ready.0[usize::from(beside_rounding)].get_or_try_init(|| make().map(Box::new))?.clone(),
            None => make()?,
        };
        Ok(LoraWeights { frozen: Some(frozen), ..self.clone() })
    }
}

impl Frozen {
    fn of(weights: &LoraWeights, in_f16: bool) -> Result<Self> {
        let LoraWeights { a, b, .. } = weights;
        if a.on_gpu() {
            return Ok(Frozen::OnCard { a: a.clone(), b: b.clone() });
        }
        if a.on_host() {
            let ((a, unit_a), (b, unit_b)) = (Dense::of_adapter(a, in_f16)?, Dense::of_adapter(b, in_f16)?);
            return Ok(Frozen::Packed { a: Box::new(a), b: Box::new(b), unit: unit_a * unit_b });
        }
        Ok(Frozen::Packed { a: Box::new(Dense::f32(a)?), b: Box::new(Dense::f32(b)?), unit: 1.0 })
    }

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
            Frozen::Packed { b, unit, .. } => {
                y.add_to_rows(rows, &b.product(&Operand::of(low))?, scaling as f32 * unit)
            }
            Frozen::OnCard { b, .. } if rows.len() <= FEW => cuda::up(y, rows, low, b, scaling),
            Frozen::OnCard { b, .. } => y.add_product_to_rows(rows, Form::NT, low, b, scaling),
        }
    }
}
