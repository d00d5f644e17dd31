//! The kernels on slices.

use crate::error::Result;
use crate::tensor::columns::rows_per_task;
use crate::tensor::simd::{dot, sum, vectorized};
use crate::tensor::{Matrix, buffers};
use rayon::prelude::*;

pub(super) fn forward(x: &Matrix, weight: &Matrix, eps: f64) -> Result<Matrix> {
    let (xs, w) = (x.slice()?, weight.slice()?);
    let n = w.len();
    let mut y = buffers::take(xs.len())?;
    let chunk = rows_per_task(n) * n;
    y.par_chunks_mut(chunk).zip(xs.par_chunks(chunk)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            vectorized(
                #[inline(always)]
                || {
                    let inv = inverse_rms(x, eps);
                    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                        *y = x * inv * w;
                    }
                },
            );
        }
    });
    Ok(Matrix::host(x.rows(), x.cols(), y))
}

pub(super) fn backward(x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix) -> Result<Matrix> {
    let (xs, w, dys) = (x.slice()?, weight.slice()?, dy.slice()?);
    let n = w.len();
    let mut dx = buffers::take(xs.len())?;
    let chunk = rows_per_task(n) * n;
    dx.par_chunks_mut(chunk).zip(xs.par_chunks(chunk)).zip(dys.par_chunks(chunk)).for_each(|((dx, x), dy)| {
        for ((dx, x), dy) in dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.chunks_exact(n)) {
            vectorized(
                #[inline(always)]
                || {
                    let inv = inverse_rms(x, eps);
                    let sum = sum(n, |i| dy[i] * w[i] * x[i]);
                    let pull = inv * inv * inv * sum / n as f32;
                    for ((dx, x), (dy, w)) in dx.iter_mut().zip(x).zip(dy.iter().zip(w)) {
                        *dx = inv * dy * w - x * pull;
                    }
                },
            );
        }
    });
    Ok(Matrix::host(x.rows(), x.cols(), dx))
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f64) -> f32 {
    let mean = dot(x, x) / x.len() as f32;
    (1.0 / (f64::from(mean) + eps).sqrt()) as f32
}
