//! The kernels on slices.

use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::simd::{dot, vectorized};
use rayon::prelude::*;

/// Turns a row of logits into probabilities and gives the largest with their weights, in the order of experts.
pub(super) fn choose(p: &mut [f32], per_token: usize, normalise: bool) -> Vec<(usize, f32)> {
    let total = exp_sum(p, largest(p));
    p.iter_mut().for_each(|p| *p /= total);
    let mut order: Vec<usize> = (0..p.len()).collect();
    // A stable sort: of equals the first.
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    order.truncate(per_token);
    order.sort_unstable();
    let divisor = if normalise { order.iter().map(|expert| p[*expert]).sum() } else { 1.0f32 };
    order.into_iter().map(|expert| (expert, p[expert] / divisor)).collect()
}

/// From the gradients of the weights, 0 for experts that were not chosen, to those of the logits, in place.
pub(super) fn choose_backward(p: &[f32], weights: &[f32], normalise: bool, d: &mut [f32]) {
    if normalise {
        // w = p / s over the chosen ones.
        let divisor: f32 = p.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(p, _)| p).sum();
        let pull: f32 = d.iter().zip(weights).map(|(d, w)| d * w).sum();
        for (d, _) in d.iter_mut().zip(weights).filter(|(_, w)| **w > 0.0) {
            *d = (*d - pull) / divisor;
        }
    }
    let pull: f32 = d.iter().zip(p).map(|(d, p)| d * p).sum();
    d.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - pull));
}

pub(super) fn add_weighted(to: &mut Matrix, rows: &[u32], weights: &[f32], from: &Matrix) -> Result<()> {
    let width = to.cols();
    let to = to.slice_mut()?;
    for ((row, weight), from) in rows.iter().zip(weights).zip(from.slice()?.chunks_exact(width)) {
        let to = &mut to[*row as usize * width..][..width];
        vectorized(
            #[inline(always)]
            || to.iter_mut().zip(from).for_each(|(to, from)| *to += weight * from),
        );
    }
    Ok(())
}

pub(super) fn scale_rows(x: &mut Matrix, weights: &[f32]) -> Result<()> {
    let width = x.cols().max(1);
    let rows = x.slice_mut()?.par_chunks_exact_mut(width);
    rows.zip(weights).for_each(|(row, weight)| row.iter_mut().for_each(|x| *x *= weight));
    Ok(())
}

pub(super) fn row_products(a: &Matrix, b: &Matrix) -> Result<Vec<f32>> {
    let width = a.cols().max(1);
    let rows = a.slice()?.par_chunks_exact(width).zip(b.slice()?.par_chunks_exact(width));
    let product = |(a, b): (&[f32], &[f32])| {
        vectorized(
            #[inline(always)]
            || dot(a, b),
        )
    };
    Ok(rows.map(product).collect())
}
