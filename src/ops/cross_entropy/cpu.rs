//! The kernel on slices.

use super::super::softcap;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Turns logits into `factor · (softmax − onehot)` in place and sums the losses, in row order so that bits repeat.
pub(super) fn softmax_loss(logits: &mut Matrix, cap: Option<f32>, targets: &[u32], factor: Option<f32>) -> Result<f64> {
    let vocab = logits.cols();
    let losses: Vec<f64> = logits
        .slice_mut()?
        .par_chunks_exact_mut(vocab)
        .zip(targets)
        .map_init(Vec::new, |slopes, (row, &target)| {
            vectorized(
                #[inline(always)]
                || {
                    if let Some(c) = cap {
                        softcap::cap(row, c);
                        slopes.clear();
                        slopes.extend(row.iter().map(|y| softcap::slope(*y, c)));
                    }
                    let max = largest(row);
                    let at_target = row[target as usize] - max;
                    let sum = exp_sum(row, max);
                    if let Some(factor) = factor {
                        let scale = factor / sum;
                        row.iter_mut().for_each(|p| *p *= scale);
                        row[target as usize] -= factor;
                        if cap.is_some() {
                            row.iter_mut().zip(&*slopes).for_each(|(d, slope)| *d *= slope);
                        }
                    }
                    f64::from(sum).ln() - f64::from(at_target)
                },
            )
        })
        .collect();
    Ok(losses.iter().sum())
}
