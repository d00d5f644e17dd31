//! Deltas that no one trains: packed as frozen weights are, so that a row has the same bits whatever stands beside it.

use super::LoraWeights;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::{Dense, FrozenMatrix};
use std::ops::Range;
use std::sync::Arc;

/// The packed factors of a delta.
#[derive(Debug)]
pub(crate) struct Frozen {
    a: Dense,
    b: Dense,
}

impl LoraWeights {
    /// The same delta, packed where products gain from it; it has no gradient.
    pub(crate) fn frozen(&self) -> Result<Self> {
        if self.a.on_gpu() {
            return Ok(self.clone());
        }
        let packed = |matrix: &Matrix| Dense::f32(matrix);
        let frozen = Frozen { a: packed(&self.a)?, b: packed(&self.b)? };
        Ok(LoraWeights { frozen: Some(Arc::new(frozen)), ..self.clone() })
    }
}

impl Frozen {
    /// `x Aᵀ` of some rows.
    pub(super) fn project(&self, x: &Matrix, rows: Range<usize>) -> Result<Matrix> {
        if rows == (0..x.rows()) {
            return self.a.product(x);
        }
        self.a.product(&x.part(rows)?)
    }

    /// Adds `scaling · low Bᵀ` to some rows of `y`.
    pub(super) fn add(&self, y: &mut Matrix, rows: Range<usize>, low: &Matrix, scaling: f64) -> Result<()> {
        y.add_to_rows(rows, &self.b.product(low)?, scaling as f32)
    }
}
