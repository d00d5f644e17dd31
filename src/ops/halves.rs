//! Two tensors kept in the memory of one, rounded to bf16: what waits for the backward pass need not be more exact than
//! the products that it meets there.

use super::buffers::{recycle, take};
use super::host::{self, View};
use super::simd::vectorized;
use crate::error::Result;
use candle_core::Tensor;
use rayon::prelude::*;

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// Two host tensors of one shape, bf16 each, side by side in the bits of one f32 tensor.
#[derive(Debug)]
pub(crate) struct Halves(Tensor);

impl Halves {
    /// Rounds to nearest, ties to even. The caller must hold the only use of both.
    pub(crate) fn of(first: Tensor, second: Tensor) -> Result<Self> {
        let (rows, cols) = first.dims2()?;
        let mut packed = host::into_vec(first)?;
        {
            let low = View::of(&second)?;
            packed.par_chunks_mut(CHUNK).zip(low.par_chunks(CHUNK)).for_each(|(high, low)| {
                vectorized(
                    #[inline(always)]
                    || {
                        for (high, low) in high.iter_mut().zip(low) {
                            *high = f32::from_bits(rounded(*high) | rounded(*low) >> 16);
                        }
                    },
                );
            });
        }
        recycle([second]);
        Ok(Halves(host::tensor(packed, rows, cols)?))
    }

    /// Both, widened again.
    pub(crate) fn into_pair(self) -> Result<(Tensor, Tensor)> {
        let (rows, cols) = self.0.dims2()?;
        let mut high = host::into_vec(self.0)?;
        let mut low = take(high.len())?;
        high.par_chunks_mut(CHUNK).zip(low.par_chunks_mut(CHUNK)).for_each(|(high, low)| {
            vectorized(
                #[inline(always)]
                || {
                    for (high, low) in high.iter_mut().zip(low) {
                        let bits = high.to_bits();
                        (*high, *low) = (f32::from_bits(bits & HIGH), f32::from_bits(bits << 16));
                    }
                },
            );
        });
        Ok((host::tensor(high, rows, cols)?, host::tensor(low, rows, cols)?))
    }

    /// Hands over the memory of both.
    pub(crate) fn recycle(self) {
        recycle([self.0]);
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
    use crate::ops::testing::{flat, normal};
    use candle_core::Device;
    use half::bf16;

    #[test]
    fn both_come_back_as_bf16_has_them() {
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
        let (a, b) = (normal((3, 7001), 1), normal((3, 7001), 2));
        let special = Tensor::from_slice(&special, (2, 4), &Device::Cpu).unwrap();
        for (first, second) in [(a, b), (special.copy().unwrap(), special.affine(-1.0, 0.0).unwrap())] {
            let halves = Halves::of(first.copy().unwrap(), second.copy().unwrap()).unwrap();
            let (high, low) = halves.into_pair().unwrap();
            for (found, given) in [(high, first), (low, second)] {
                assert_eq!(found.dims(), given.dims());
                for (found, given) in flat(&found).into_iter().zip(flat(&given)) {
                    let expected = bf16::from_f32(given).to_f32();
                    assert!(found == expected || (found.is_nan() && given.is_nan()), "{given}: {found}, {expected}");
                }
            }
        }
    }
}
