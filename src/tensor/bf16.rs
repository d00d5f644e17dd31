//! A matrix that waits for the backward pass rounded to bf16: it need not be more exact than the products that it meets
//! there.

use super::buffers::{self, Buffer};
use super::columns::CHUNK;
use super::matrix::Matrix;
use super::simd::vectorized;
use crate::error::Result;
use rayon::prelude::*;

/// A matrix in host memory, two bf16 in the bits of each f32 of its buffer: the first half of the elements high, the
/// second half low.
#[derive(Debug)]
pub(crate) struct Bf16Matrix {
    rows: usize,
    cols: usize,
    packed: Buffer,
}

impl Bf16Matrix {
    /// Rounds to nearest, ties to even.
    pub(crate) fn of(matrix: &Matrix) -> Result<Self> {
        let values = matrix.slice()?;
        let (high, low) = values.split_at(values.len().div_ceil(2));
        let mut packed = buffers::take(high.len())?;
        packed.par_chunks_mut(CHUNK).enumerate().for_each(|(task, packed)| {
            let from = task * CHUNK;
            let (high, low) = (&high[from..], low.get(from..).unwrap_or_default());
            vectorized(
                #[inline(always)]
                || {
                    for ((packed, high), low) in packed.iter_mut().zip(high).zip(low) {
                        *packed = f32::from_bits(rounded(*high) | rounded(*low) >> 16);
                    }
                },
            );
            // The one in the middle of an odd number has none beside it.
            if let Some(alone) = packed.get_mut(low.len()) {
                *alone = f32::from_bits(rounded(high[low.len()]));
            }
        });
        Ok(Bf16Matrix { rows: matrix.rows(), cols: matrix.cols(), packed })
    }

    /// The same numbers in f32.
    pub(crate) fn to_f32(&self) -> Result<Matrix> {
        let len = self.rows * self.cols;
        let mut out = buffers::take(len)?;
        let (high, low) = out.split_at_mut(len.div_ceil(2));
        let unpack = |(packed, out): (&[f32], &mut [f32]), place: fn(u32) -> u32| {
            vectorized(
                #[inline(always)]
                || packed.iter().zip(out).for_each(|(packed, out)| *out = f32::from_bits(place(packed.to_bits()))),
            );
        };
        let packed = || self.packed.par_chunks(CHUNK);
        packed().zip(high.par_chunks_mut(CHUNK)).for_each(|pair| unpack(pair, |bits| bits & HIGH));
        packed().zip(low.par_chunks_mut(CHUNK)).for_each(|pair| unpack(pair, |bits| bits << 16));
        Ok(Matrix::host(self.rows, self.cols, out))
    }
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
        for given in [normal(3, 7001, 1), normal(2, 40_000, 2), special] {
            let found = Bf16Matrix::of(&given).unwrap().to_f32().unwrap();
            assert_eq!(found.shape(), given.shape());
            for (found, given) in found.values().unwrap().into_iter().zip(given.values().unwrap()) {
                let expected = bf16::from_f32(given).to_f32();
                assert!(found == expected || (found.is_nan() && given.is_nan()), "{given}: {found}, {expected}");
            }
        }
    }
}
