//! A linear layer with low-rank deltas on top: `y = x Wᵀ + b + Σ sᵢ · drop(x) Aᵢᵀ Bᵢᵀ` (Hu et al. 2021).

use super::host::{self, View};
use super::linear::Linear;
use super::matmul::{self, Form};
use super::simd::vectorized;
use crate::error::Result;
use candle_core::Tensor;
use rayon::prelude::*;

/// One low-rank delta: `y += scaling · (x Aᵀ) Bᵀ`.
#[derive(Debug, Clone)]
pub(crate) struct LoraWeights {
    /// `[r, in_features]`, f32.
    pub(crate) a: Tensor,
    /// `[out_features, r]`, f32.
    pub(crate) b: Tensor,
    /// PEFT's `scaling` (alpha / r, or alpha / √r for rsLoRA) times the scale it was attached with.
    pub(crate) scaling: f64,
}

/// Inverted dropout of a delta's input; the mask is a function of the seed and the element, so backward and recompute
/// see the same one without storing it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// Probability of dropping an element, in `0..1`.
    pub(crate) p: f64,
    /// Different for every step and site.
    pub(crate) seed: u64,
}

/// The gradients of one delta.
#[derive(Debug, Clone)]
pub(crate) struct LoraGrad {
    /// `[r, in_features]`
    pub(crate) a: Tensor,
    /// `[out_features, r]`
    pub(crate) b: Tensor,
}

/// `drop(x) Aᵀ [tokens, r]` of each delta: small, so the forward pass leaves them for the backward pass.
pub(crate) type Lows = Vec<Tensor>;

/// `x [tokens, in]` → `[tokens, out]`, and the low-rank activations on the way.
pub(crate) fn forward(
    linear: &Linear,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    x: &Tensor,
) -> Result<(Tensor, Lows)> {
    let mut y = linear.forward(x)?;
    let lows = lows(deltas, dropout, x)?;
    for (low, delta) in lows.iter().zip(deltas) {
        y = matmul::add_product(y, Form::NT, low, &delta.b, delta.scaling)?;
    }
    Ok((y, lows))
}

/// The low-rank activations alone.
pub(crate) fn lows(deltas: &[LoraWeights], dropout: Option<Dropout>, x: &Tensor) -> Result<Lows> {
    if deltas.is_empty() {
        return Ok(Vec::new());
    }
    let x = dropped(x, dropout)?;
    deltas.iter().map(|delta| matmul::product(Form::NT, &x, &delta.a)).collect()
}

/// The gradients of the low-rank activations, `s · dy B [tokens, r]`.
pub(crate) fn low_gradients(deltas: &[LoraWeights], dy: &Tensor) -> Result<Lows> {
    deltas.iter().map(|delta| scaled(matmul::product(Form::NN, dy, &delta.b)?, delta.scaling)).collect()
}

/// The gradient of `x`, given those of the output and of the low-rank activations.
pub(crate) fn input_gradient(
    linear: &Linear,
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    dlows: &Lows,
    dy: &Tensor,
) -> Result<Tensor> {
    let mut dx = linear.backward(dy)?;
    for (dlow, delta) in dlows.iter().zip(deltas) {
        dx = match dropout {
            None => matmul::add_product(dx, Form::NN, dlow, &delta.a, 1.0)?,
            Some(_) => matmul::add(dx, &dropped(&matmul::product(Form::NN, dlow, &delta.a)?, dropout)?)?,
        };
    }
    Ok(dx)
}

/// The gradients of each delta's weights, from `x` and `lows` as the forward pass had them.
pub(crate) fn weight_gradients(
    deltas: &[LoraWeights],
    dropout: Option<Dropout>,
    x: &Tensor,
    lows: &Lows,
    dlows: &Lows,
    dy: &Tensor,
) -> Result<Vec<LoraGrad>> {
    if deltas.is_empty() {
        return Ok(Vec::new());
    }
    let x = dropped(x, dropout)?;
    let gradient = |((delta, low), dlow): ((&LoraWeights, &Tensor), &Tensor)| {
        let b = scaled(matmul::product(Form::TN, dy, low)?, delta.scaling)?;
        Ok(LoraGrad { a: matmul::product(Form::TN, dlow, &x)?, b })
    };
    deltas.iter().zip(lows).zip(dlows).map(gradient).collect()
}

fn scaled(x: Tensor, scale: f64) -> Result<Tensor> {
    if scale == 1.0 { Ok(x) } else { Ok((x * scale)?) }
}

/// `x · mask / (1 − p)`
fn dropped(x: &Tensor, dropout: Option<Dropout>) -> Result<Tensor> {
    let Some(Dropout { p, seed }) = dropout.filter(|d| d.p > 0.0) else { return Ok(x.clone()) };
    let (rows, cols) = x.dims2()?;
    let keep = (1.0 / (1.0 - p)) as f32;
    let threshold = (p * f64::from(u32::MAX)) as u32;
    let factor = move |index: usize| if hash(seed, index) < threshold { 0.0 } else { keep };
    if !host::applies(x) {
        let mask: Vec<f32> = (0..rows * cols).map(factor).collect();
        return Ok((x * Tensor::from_vec(mask, (rows, cols), x.device())?.to_dtype(x.dtype())?)?);
    }
    let xv = View::of(x)?;
    let xs: &[f32] = &xv;
    let chunk = 1 << 14;
    let mut out = super::buffers::zeros(rows * cols)?;
    out.par_chunks_mut(chunk).zip(xs.par_chunks(chunk)).enumerate().for_each(|(task, (out, x))| {
        vectorized(
            #[inline(always)]
            || {
                for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                    *out = x * factor(task * chunk + i);
                }
            },
        );
    });
    host::tensor(out, rows, cols)
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
    use crate::ops::testing::{assert_close, check_gradient, flat, normal};

    fn delta(seed: u64, scaling: f64) -> LoraWeights {
        LoraWeights { a: normal((3, 17), seed), b: normal((11, 3), seed + 1), scaling }
    }

    #[test]
    fn stacked_deltas_equal_the_merged_weight() {
        let (x, w) = (normal((5, 17), 1), normal((11, 17), 2));
        let deltas = [delta(10, 0.5), delta(20, -2.0)];
        let merged =
            deltas.iter().fold(w.clone(), |w, d| (w + (d.b.matmul(&d.a).unwrap() * d.scaling).unwrap()).unwrap());
        let y = forward(&Linear::dense(w, None), &deltas, None, &x).unwrap().0;
        assert_close(&y, &Linear::dense(merged, None).forward(&x).unwrap(), 1e-5);
    }

    #[test]
    fn gradients_equal_finite_differences_with_and_without_dropout() {
        let (x, dy) = (normal((5, 17), 1), normal((5, 11), 4));
        let linear = Linear::dense(normal((11, 17), 2), Some(normal(11, 3)));
        for dropout in [None, Some(Dropout { p: 0.3, seed: 9 })] {
            let deltas = [delta(10, 0.5), delta(20, -0.7)];
            let lows = lows(&deltas, dropout, &x).unwrap();
            let dlows = low_gradients(&deltas, &dy).unwrap();
            let dx = input_gradient(&linear, &deltas, dropout, &dlows, &dy).unwrap();
            let grads = weight_gradients(&deltas, dropout, &x, &lows, &dlows, &dy).unwrap();
            check_gradient(&x, &dx, &dy, |x| forward(&linear, &deltas, dropout, x).unwrap().0);
            for i in 0..2 {
                let with = |change: &dyn Fn(&mut LoraWeights)| {
                    let mut deltas = deltas.clone();
                    change(&mut deltas[i]);
                    forward(&linear, &deltas, dropout, &x).unwrap().0
                };
                check_gradient(&deltas[i].a, &grads[i].a, &dy, |a| with(&|d| d.a = a.clone()));
                check_gradient(&deltas[i].b, &grads[i].b, &dy, |b| with(&|d| d.b = b.clone()));
            }
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_drops_the_share_it_says() {
        let ones = Tensor::ones((100, 200), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let out = flat(&dropped(&ones, Some(Dropout { p: 0.25, seed: 3 })).unwrap());
        let zeros = out.iter().filter(|v| **v == 0.0).count() as f64 / out.len() as f64;
        assert!((zeros - 0.25).abs() < 0.02, "{zeros}");
        assert!((out.iter().sum::<f32>() / out.len() as f32 - 1.0).abs() < 0.03);
    }
}
