//! Operands of products of bf16, and what multiplies them.

use super::kernel::{Instructions, Kernel};
use crate::error::Result;
use crate::tensor::{Bf16Matrix, Bf16Tiles};

/// What multiplies them, which this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// AVX-512 BF16.
    Vectors,
    /// AMX. Its sums have other bits, whatever the number of rows.
    Tiles,
}

/// Rows up to which vectors add what tiles would: memory is what so few wait for, and vectors read it faster.
pub(super) const FEW: usize = 4;

impl Unit {
    pub(super) fn of(kernel: Kernel) -> Option<Self> {
        match kernel.instructions() {
            Instructions::Bf16 => Some(Unit::Vectors),
            Instructions::Amx => Some(Unit::Tiles),
            _ => None,
        }
    }
}

/// Rows rounded to bf16.
pub(super) enum Rounded {
    /// For AVX-512 BF16.
    Rows(Bf16Matrix),
    /// For vectors that add as tiles do.
    FewRows(Bf16Matrix),
    /// For AMX.
    Tiles(Bf16Tiles),
}

impl Rounded {
    /// Rounds rows that are `cols` wide to nearest, ties to even.
    pub(super) fn of(unit: Unit, values: &[f32], cols: usize) -> Result<Self> {
        match unit {
            Unit::Vectors => Bf16Matrix::round(values, cols).map(Rounded::Rows),
            Unit::Tiles if values.len() <= FEW * cols => Bf16Matrix::round(values, cols).map(Rounded::FewRows),
            Unit::Tiles => Bf16Tiles::round(values, cols).map(Rounded::Tiles),
        }
    }
}
