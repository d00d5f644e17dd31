//! The kernel on slices.

use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::columns::rows_per_task;
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Rotates in place; `cos, sin [tokens, half]`.
pub(super) fn rotate(cos: &[f32], sin: &[f32], half: usize, sign: f32, x: &mut Matrix) -> Result<()> {
    let width = x.cols();
    let rows = rows_per_task(width);
    x.slice_mut()?.par_chunks_mut(rows * width).enumerate().for_each(|(task, data)| {
        for (i, token) in data.chunks_exact_mut(width).enumerate() {
            let row = task * rows + i;
            let (c, s) = (&cos[row * half..][..half], &sin[row * half..][..half]);
            for head in token.chunks_exact_mut(2 * half) {
                let (x1, x2) = head.split_at_mut(half);
                vectorized(
                    #[inline(always)]
                    || {
                        for ((x1, x2), (c, s)) in x1.iter_mut().zip(x2).zip(c.iter().zip(s)) {
                            let s = s * sign;
                            (*x1, *x2) = (*x1 * c - *x2 * s, *x2 * c + *x1 * s);
                        }
                    },
                );
            }
        }
    });
    Ok(())
}
