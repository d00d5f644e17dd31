//! Keys and values that are kept for tokens to come.

use crate::error::{Code, Error, Result};
use crate::tensor::{CompactMatrix, Device, EightBits, Matrix, Rounded};
use half::f16;
use std::ops::Range;

/// What keys and values are kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KvType {
    /// As activations are.
    Activation,
    /// f16, in host memory.
    F16,
    /// Eight bits and a scale for 32 numbers, in host memory.
    EightBits,
}

/// The keys and the values of a layer, `[rows, keys · dim]` each.
#[derive(Debug)]
pub(crate) enum KeysValues {
    Activations([Matrix; 2]),
    F16([CompactMatrix<f16>; 2]),
    EightBits([CompactMatrix<EightBits>; 2]),
}

impl KeysValues {
    /// Zeros.
    pub(crate) fn zeros(kind: KvType, rows: usize, width: usize, device: &Device) -> Result<Self> {
        Ok(match kind {
            KvType::Activation => {
                let zeros = || Matrix::zero_activations(rows, width, device);
                KeysValues::Activations([zeros()?, zeros()?])
            }
            KvType::F16 => KeysValues::F16(both_of_zeros(rows, width)?),
            KvType::EightBits => KeysValues::EightBits(both_of_zeros(rows, width)?),
        })
    }

    /// Writes rows `range` of keys and of values over those from `first` on.
    pub(crate) fn set_rows(&mut self, first: usize, kv: [&Matrix; 2], range: Range<usize>) -> Result<()> {
        match self {
            KeysValues::Activations(all) => all.iter_mut().zip(kv).try_for_each(|(all, from)| {
                if range.len() == from.rows() {
                    all.set_rows(first, from)
                } else {
                    copy(all, first, from, range.clone())
                }
            }),
            KeysValues::F16(all) => round_both(all, first, kv, &range),
            KeysValues::EightBits(all) => round_both(all, first, kv, &range),
        }
    }

    /// Writes rows `range` of `from`, which are kept as these are, over those from `first` on.
    pub(crate) fn copy_rows(&mut self, first: usize, from: &KeysValues, range: Range<usize>) -> Result<()> {
        match (self, from) {
            (KeysValues::Activations(all), KeysValues::Activations(from)) => {
                all.iter_mut().zip(from).try_for_each(|(all, from)| copy(all, first, from, range.clone()))
            }
            (KeysValues::F16(all), KeysValues::F16(from)) => copy_both(all, first, from, &range),
            (KeysValues::EightBits(all), KeysValues::EightBits(from)) => copy_both(all, first, from, &range),
            _ => Err(Error::new(Code::Internal, "keys and values of two types")),
        }
    }

    /// Writes rows `range` over those from `first` on.
    pub(crate) fn move_rows(&mut self, first: usize, range: Range<usize>) -> Result<()> {
        match self {
            KeysValues::Activations(all) => all.iter_mut().try_for_each(|all| {
                let rows = all.part(range.clone())?;
                all.set_rows(first, &rows)
            }),
            KeysValues::F16(all) => all.iter_mut().try_for_each(|all| all.move_rows(first, range.clone())),
            KeysValues::EightBits(all) => all.iter_mut().try_for_each(|all| all.move_rows(first, range.clone())),
        }
    }
}

fn copy(all: &mut Matrix, first: usize, from: &Matrix, range: Range<usize>) -> Result<()> {
    all.set_rows(first, &from.part(range)?)
}

/// Zeros for keys and for values.
fn both_of_zeros<E: Rounded>(rows: usize, width: usize) -> Result<[CompactMatrix<E>; 2]> {
    Ok([CompactMatrix::zeros(rows, width)?, CompactMatrix::zeros(rows, width)?])
}

fn round_both<E: Rounded>(
    all: &mut [CompactMatrix<E>; 2],
    first: usize,
    kv: [&Matrix; 2],
    range: &Range<usize>,
) -> Result<()> {
    all.iter_mut().zip(kv).try_for_each(|(all, from)| all.round_rows(first, from, range.clone()))
}

fn copy_both<E: Rounded>(
    all: &mut [CompactMatrix<E>; 2],
    first: usize,
    from: &[CompactMatrix<E>; 2],
    range: &Range<usize>,
) -> Result<()> {
    all.iter_mut().zip(from).try_for_each(|(all, from)| all.copy_rows(first, from, range.clone()))
}
