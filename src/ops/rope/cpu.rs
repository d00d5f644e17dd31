//! The kernel on slices.

use super::Pairs;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::columns::rows_per_task;
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Rotates in place; `cos, sin [tokens, half]`.
pub(super) fn rotate(cos: &[f32], sin: &[f32], head_dim: usize, pairs: Pairs, sign: f32, x: &mut Matrix) -> Result<()> {
    let (tokens, width) = x.shape();
    let half = cos.len() / tokens.max(1);
    let rows = rows_per_task(width);
    x.slice_mut()?.par_chunks_mut(rows * width).enumerate().for_each(|(task, data)| {
        for (i, token) in data.chunks_exact_mut(width).enumerate() {
            let row = task * rows + i;
            let (c, s) = (&cos[row * half..][..half], &sin[row * half..][..half]);
            for head in token.chunks_exact_mut(head_dim) {
                match pairs {
                    Pairs::Halves => rotate_halves(&mut head[..2 * half], c, s, sign),
                    Pairs::Neighbours => rotate_neighbours(&mut head[..2 * half], c, s, sign),
                }
            }
        }
    });
    Ok(())
}

fn rotate_halves(head: &mut [f32], c: &[f32], s: &[f32], sign: f32) {
    let (x1, x2) = head.split_at_mut(c.len());
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

fn rotate_neighbours(head: &mut [f32], c: &[f32], s: &[f32], sign: f32) {
    vectorized(
        #[inline(always)]
        || {
            for (pair, (c, s)) in head.as_chunks_mut::<2>().0.iter_mut().zip(c.iter().zip(s)) {
                let s = s * sign;
                *pair = [pair[0] * c - pair[1] * s, pair[1] * c + pair[0] * s];
            }
        },
    );
}
