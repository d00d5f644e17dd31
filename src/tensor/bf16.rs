//! A matrix rounded to bf16: one that waits for the backward pass, and need not be more exact than the products that it
//! meets there; and the operand of products that take bf16.

use super::buffers::{self, Buffer};
use super::columns::CHUNK;
use super::matrix::Matrix;
use super::simd::vectorized;
use crate::error::Result;
use rayon::prelude::*;

/// A matrix in host memory, two neighbours of a row in the bits of each f32 of its buffer: the first low, the second high,
/// as `vdpbf16ps` takes them. A row of an odd number ends with a zero.
#[derive(Debug)]
pub(crate) struct Bf16Matrix {
    rows: usize,
    cols: usize,
    pairs: Buffer,
}

impl Bf16Matrix {
    /// Rounds to nearest, ties to even.
    pub(crate) fn of(matrix: &Matrix) -> Result<Self> {
        Self::round(matrix.slice()?, matrix.cols())
    }

    /// As [`Bf16Matrix::of`], of rows that are `cols` wide.
    pub(crate) fn round(values: &[f32], cols: usize) -> Result<Self> {
        let (rows, width) = (values.len() / cols.max(1), cols.div_ceil(2));
        let mut pairs = buffers::take(rows * width)?;
        let at_once = rows_at_once(cols);
        let tasks = pairs.par_chunks_mut(at_once * width.max(1)).zip(values.par_chunks(at_once * cols.max(1)));
        tasks.for_each(|(pairs, values)| {
            vectorized(
                #[inline(always)]
                || {
                    for (pairs, values) in pairs.chunks_exact_mut(width).zip(values.chunks_exact(cols)) {
                        round_pairs(values, pairs);
                    }
                },
            );
        });
        Ok(Bf16Matrix { rows, cols, pairs })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The pairs, row after row, `cols / 2` of each, rounded up.
    pub(crate) fn pairs(&self) -> &[f32] {
        &self.pairs
    }

    /// The same numbers in f32.
    pub(crate) fn to_f32(&self) -> Result<Matrix> {
        let (cols, width) = (self.cols, self.cols.div_ceil(2));
        let mut out = buffers::take(self.rows * cols)?;
        let at_once = rows_at_once(cols);
        let tasks = self.pairs.par_chunks(at_once * width.max(1)).zip(out.par_chunks_mut(at_once * cols.max(1)));
        tasks.for_each(|(pairs, out)| {
            vectorized(
                #[inline(always)]
                || {
                    for (pairs, out) in pairs.chunks_exact(width).zip(out.chunks_exact_mut(cols)) {
                        let (whole, half) = out.as_chunks_mut::<2>();
                        for (pair, out) in pairs.iter().zip(whole) {
                            *out = [f32::from_bits(pair.to_bits() << 16), f32::from_bits(pair.to_bits() & HIGH)];
                        }
                        if let ([alone], Some(pair)) = (half, pairs.last()) {
                            *alone = f32::from_bits(pair.to_bits() << 16);
                        }
                    }
                },
            );
        });
        Ok(Matrix::host(self.rows, cols, out))
    }
}

/// The pairs of a row, of which the last may have a zero.
#[inline(always)]
pub(super) fn round_pairs(values: &[f32], pairs: &mut [f32]) {
    let (whole, half) = values.as_chunks::<2>();
    for (pair, [first, second]) in pairs.iter_mut().zip(whole) {
        *pair = f32::from_bits(rounded(*first) >> 16 | rounded(*second));
    }
    if let ([alone], Some(pair)) = (half, pairs.get_mut(whole.len())) {
        *pair = f32::from_bits(rounded(*alone) >> 16);
    }
}

/// Rows that one task rounds.
fn rows_at_once(cols: usize) -> usize {
    CHUNK.div_ceil(cols.max(1))
}

const HIGH: u32 = 0xFFFF_0000;

/// The bits of the nearest bf16, the lower half zero; NaN stays NaN.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    const QUIET: u32 = 0x0040_0000;
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    (if x.is_nan() { bits | QUIET } else { nearest }) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::normal;
    use half::bf16;

    #[test]
    fn it_comes_back_as_bf16_has_it() {
        let special = [
            f32::NAN,
            f32::from_bits(0x7FFF_FFFF),
            f32::INFINITY,
            f32::MAX,
            -0.0,
            1e-45,
            f32::from_bits(0x3F80_8000),
            -3.7,
        ];
        let special = Matrix::new(2, 4, special.to_vec(), &Device::host()).unwrap();
        for given in [normal(3, 7001, 1), normal(2, 40_000, 2), normal(5, 1, 3), special] {
            let rounded = Bf16Matrix::of(&given).unwrap();
            assert_eq!(rounded.pairs().len(), given.rows() * given.cols().div_ceil(2));
            let found = rounded.to_f32().unwrap();
            assert_eq!(found.shape(), given.shape());
            for (found, given) in found.values().unwrap().into_iter().zip(given.values().unwrap()) {
                let expected = bf16::from_f32(given).to_f32();
                assert!(found == expected || (found.is_nan() && given.is_nan()), "{given}: {found}, {expected}");
            }
        }
    }
}
