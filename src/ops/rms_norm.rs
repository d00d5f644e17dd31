//! Root-mean-square normalisation (Zhang & Sennrich 2019): `y = x / √(mean(x²) + ε) · w`, row by row.

use super::buffers;
use super::host::{self, View};
use super::simd::{sum, vectorized};
use crate::error::Result;
use candle_core::{D, Tensor};
use rayon::prelude::*;

/// `x [rows, n]`, `weight [n]` → `[rows, n]`.
pub(crate) fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if !host::applies(x) {
        return composed(x, weight, eps);
    }
    let (rows, n) = x.dims2()?;
    let (xv, w) = (View::of(x)?, View::of(weight)?);
    let (xs, w): (&[f32], &[f32]) = (&xv, &w);
    let mut y = buffers::take(rows * n)?;
    let chunk = host::rows_per_task(n) * n;
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
    host::tensor(y, rows, n)
}

/// The gradient of `x`, given the input of the forward pass; the weight is frozen.
///
/// With `r = 1/rms` and `g = dy · w`: `dx = r·g − x · r³/n · Σ(g·x)`.
pub(crate) fn backward(x: &Tensor, weight: &Tensor, eps: f64, dy: &Tensor) -> Result<Tensor> {
    let (rows, n) = x.dims2()?;
    if !host::applies(x) {
        let inv = ((x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip())?;
        let g = dy.broadcast_mul(weight)?;
        let dot = ((&g * x)?.sum_keepdim(D::Minus1)? / n as f64)?;
        let pull = (dot * inv.powf(3.0)?)?;
        return Ok((g.broadcast_mul(&inv)? - x.broadcast_mul(&pull)?)?);
    }
    let (xv, wv, dyv) = (View::of(x)?, View::of(weight)?, View::of(dy)?);
    let (xs, w, dys): (&[f32], &[f32], &[f32]) = (&xv, &wv, &dyv);
    let mut dx = buffers::take(rows * n)?;
    let chunk = host::rows_per_task(n) * n;
    dx.par_chunks_mut(chunk).zip(xs.par_chunks(chunk)).zip(dys.par_chunks(chunk)).for_each(|((dx, x), dy)| {
        for ((dx, x), dy) in dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.chunks_exact(n)) {
            vectorized(
                #[inline(always)]
                || {
                    let inv = inverse_rms(x, eps);
                    let dot = sum(n, |i| dy[i] * w[i] * x[i]);
                    let pull = inv * inv * inv * dot / n as f32;
                    for ((dx, x), (dy, w)) in dx.iter_mut().zip(x).zip(dy.iter().zip(w)) {
                        *dx = inv * dy * w - x * pull;
                    }
                },
            );
        }
    });
    host::tensor(dx, rows, n)
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f64) -> f32 {
    let mean = sum(x.len(), |i| x[i] * x[i]) / x.len() as f32;
    (1.0 / (f64::from(mean) + eps).sqrt()) as f32
}

fn composed(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let rms = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    Ok(x.broadcast_div(&rms)?.broadcast_mul(weight)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    #[test]
    fn the_kernel_equals_the_composed_form() {
        let (x, w) = (normal((7, 37), 1), normal(37, 2));
        assert_close(&forward(&x, &w, 1e-5).unwrap(), &composed(&x, &w, 1e-5).unwrap(), 1e-6);
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (x, w, dy) = (normal((5, 33), 1), normal(33, 2), normal((5, 33), 3));
        let dx = backward(&x, &w, 1e-5, &dy).unwrap();
        check_gradient(&x, &dx, &dy, |x| forward(x, &w, 1e-5).unwrap());
    }
}
