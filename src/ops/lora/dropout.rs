//! Inverted dropout whose mask is a function of a seed and the element, so backward and recompute see the same one without
//! storing it.

use super::cuda;
use crate::error::Result;
use crate::tensor::columns::CHUNK;
use crate::tensor::simd::vectorized;
use crate::tensor::{Buffer, Matrix, buffers};
use rayon::prelude::*;

/// Dropout of a delta's input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// Probability of dropping an element, in `0..1`.
    pub(crate) p: f64,
    /// Different for every step and site.
    pub(crate) seed: u64,
}

/// `x · mask / (1 − p)`; `None` where that is `x`.
pub(super) fn apply(dropout: Option<Dropout>, x: &Matrix) -> Result<Option<Matrix>> {
    let Some(Dropout { p, seed }) = dropout.filter(|d| d.p > 0.0) else { return Ok(None) };
    let scale = (1.0 / (1.0 - p)) as f32;
    let threshold = (p * f64::from(u32::MAX)) as u32;
    if x.on_gpu() {
        return cuda::dropout(x, scale, threshold, seed).map(Some);
    }
    let factor = move |index: usize| if hash(seed, index) < threshold { 0.0 } else { scale };
    let Some(xs) = x.as_slice() else {
        let mask = Matrix::new(x.rows(), x.cols(), (0..x.len()).map(factor).collect(), &x.device())?;
        return Ok(Some(Matrix::of_tensor(&(x.tensor()? * mask.tensor()?)?)?));
    };
    let mut out = Buffer::of(buffers::zeros(xs.len())?);
    out.par_chunks_mut(CHUNK).zip(xs.par_chunks(CHUNK)).enumerate().for_each(|(task, (out, x))| {
        vectorized(
            #[inline(always)]
            || {
                for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                    *out = x * factor(task * CHUNK + i);
                }
            },
        );
    });
    Ok(Some(Matrix::host(x.rows(), x.cols(), out)))
}

/// A 32-bit hash of (seed, index): SplitMix64's finaliser (Steele et al. 2014), random access and no state.
fn hash(seed: u64, index: usize) -> u32 {
    let mut z = seed.wrapping_add((index as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::flat;

    #[test]
    fn it_keeps_the_mean_and_drops_the_share_it_says_alike_on_every_device() {
        let [host, reference] = [Device::host(), Device::reference()].map(|device| {
            let ones = Matrix::new(100, 200, vec![1.0; 20_000], &device).unwrap();
            flat(&apply(Some(Dropout { p: 0.25, seed: 3 }), &ones).unwrap().unwrap())
        });
        let zeros = host.iter().filter(|v| **v == 0.0).count() as f64 / host.len() as f64;
        assert!((zeros - 0.25).abs() < 0.02, "{zeros}");
        assert!((host.iter().sum::<f32>() / host.len() as f32 - 1.0).abs() < 0.03);
        assert_eq!(host, reference);
    }
}
