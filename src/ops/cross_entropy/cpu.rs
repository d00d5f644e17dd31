//! The kernel on slices.

use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Turns logits into `factor · (softmax − onehot)` in place and sums the losses, in row order so that bits repeat.
pub(super) fn softmax_loss(logits: &mut Matrix, targets: &[u32], factor: Option<f32>) -> Result<f64> {
    let vocab = logits.cols();
    let losses: Vec<f64> = logits
        .slice_mut()?
        .par_chunks_exact_mut(vocab)
        .zip(targets)
        .map(|(row, &target)| {
            vectorized(
                #[inline(always)]
                || {
                    let max = largest(row);
                    let at_target = row[target as usize] - max;
                    let sum = exp_sum(row, max);
                    if let Some(factor) = factor {
                        let scale = factor / sum;
                        row.iter_mut().for_each(|p| *p *= scale);
                        row[target as usize] -= factor;
                    }
                    f64::from(sum).ln() - f64::from(at_target)
                },
            )
        })
        .collect();
    Ok(losses.iter().sum())
}
