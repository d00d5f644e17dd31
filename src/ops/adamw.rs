//! AdamW with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW` computes it, moments in f32.

use super::host::{self, View};
use super::simd::vectorized;
use crate::error::Result;
use candle_core::Tensor;
use rayon::prelude::*;

/// What does not change from step to step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hyper {
    /// Decay of the first moment.
    pub(crate) beta1: f64,
    /// Decay of the second moment.
    pub(crate) beta2: f64,
    /// Added to the root of the second moment.
    pub(crate) eps: f64,
    /// Share of the parameter, times the learning rate, that each step takes away.
    pub(crate) weight_decay: f64,
}

/// The two moments of one parameter; both have its shape.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub(crate) first: Tensor,
    pub(crate) second: Tensor,
}

impl Moments {
    /// Zero, as before the first step.
    pub(crate) fn zeros(parameter: &Tensor) -> Result<Self> {
        Ok(Moments { first: parameter.zeros_like()?, second: parameter.zeros_like()? })
    }
}

/// The parameter and moments after step `step` (counted from 1). The gradient is multiplied by `clip` first.
pub(crate) fn step(
    hyper: Hyper,
    learning_rate: f64,
    step: u64,
    clip: f64,
    parameter: &Tensor,
    gradient: &Tensor,
    moments: &Moments,
) -> Result<(Tensor, Moments)> {
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let (correction1, correction2) = (1.0 - hyper.beta1.powi(power), 1.0 - hyper.beta2.powi(power));
    let factors = Factors {
        keep: (1.0 - learning_rate * hyper.weight_decay) as f32,
        beta1: hyper.beta1 as f32,
        beta2: hyper.beta2 as f32,
        // Rounded after the subtraction: 1 − 0.999f32 would be off by 1e-5 of itself.
        new1: (1.0 - hyper.beta1) as f32,
        new2: (1.0 - hyper.beta2) as f32,
        step_size: (learning_rate / correction1) as f32,
        root_correction: correction2.sqrt() as f32,
        eps: hyper.eps as f32,
        clip: clip as f32,
    };
    if host::applies(parameter) {
        fused(factors, parameter, gradient, moments)
    } else {
        composed(factors, parameter, gradient, moments)
    }
}

#[derive(Clone, Copy)]
struct Factors {
    keep: f32,
    beta1: f32,
    beta2: f32,
    new1: f32,
    new2: f32,
    step_size: f32,
    root_correction: f32,
    eps: f32,
    clip: f32,
}

fn fused(f: Factors, parameter: &Tensor, gradient: &Tensor, moments: &Moments) -> Result<(Tensor, Moments)> {
    let (p, g) = (View::of(parameter)?, View::of(gradient)?);
    let (m, v) = (View::of(&moments.first)?, View::of(&moments.second)?);
    let (mut p, g, mut m, mut v) = (p.to_vec(), &*g, m.to_vec(), v.to_vec());
    let chunk = 1 << 14;
    p.par_chunks_mut(chunk)
        .zip(g.par_chunks(chunk))
        .zip(m.par_chunks_mut(chunk).zip(v.par_chunks_mut(chunk)))
        .for_each(|((p, g), (m, v))| {
            vectorized(
                #[inline(always)]
                || {
                    for ((p, g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                        let g = g * f.clip;
                        *m = f.beta1 * *m + f.new1 * g;
                        *v = f.beta2 * *v + f.new2 * g * g;
                        *p = *p * f.keep - f.step_size * *m / (v.sqrt() / f.root_correction + f.eps);
                    }
                },
            );
        });
    let like = |data: Vec<f32>| Tensor::from_vec(data, parameter.shape(), parameter.device());
    Ok((like(p)?, Moments { first: like(m)?, second: like(v)? }))
}

fn composed(f: Factors, parameter: &Tensor, gradient: &Tensor, moments: &Moments) -> Result<(Tensor, Moments)> {
    let gradient = (gradient * f64::from(f.clip))?;
    let first = ((&moments.first * f64::from(f.beta1))? + (&gradient * f64::from(f.new1))?)?;
    let second = ((&moments.second * f64::from(f.beta2))? + (gradient.sqr()? * f64::from(f.new2))?)?;
    let denominator = ((second.sqrt()? / f64::from(f.root_correction))? + f64::from(f.eps))?;
    let update = ((&first / denominator)? * f64::from(f.step_size))?;
    Ok((((parameter * f64::from(f.keep))? - update)?, Moments { first, second }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, flat, normal, normal_on_cpu};

    const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };

    #[test]
    fn the_kernel_equals_the_composed_form_over_steps() {
        let f = |step: i32| Factors {
            keep: 0.999,
            beta1: 0.9,
            beta2: 0.999,
            new1: 0.1,
            new2: 0.001,
            step_size: (0.01 / (1.0 - 0.9f64.powi(step))) as f32,
            root_correction: (1.0 - 0.999f64.powi(step)).sqrt() as f32,
            eps: 1e-8,
            clip: 0.5,
        };
        let start = normal_on_cpu((5, 7), 1);
        let (mut a, mut b) =
            ((start.clone(), Moments::zeros(&start).unwrap()), (start.clone(), Moments::zeros(&start).unwrap()));
        for step in 1..6 {
            let gradient = normal_on_cpu((5, 7), 10 + step as u64);
            a = fused(f(step), &a.0, &gradient, &a.1).unwrap();
            b = composed(f(step), &b.0, &gradient, &b.1).unwrap();
            assert_close(&a.0, &b.0, 1e-6);
        }
    }

    #[test]
    fn the_first_step_moves_by_the_learning_rate_against_the_sign() {
        let p = normal((3, 3), 1);
        let g = normal((3, 3), 2);
        let hyper = Hyper { weight_decay: 0.0, ..HYPER };
        let (next, _) = step(hyper, 0.01, 1, 1.0, &p, &g, &Moments::zeros(&p).unwrap()).unwrap();
        for ((p, n), g) in flat(&p).iter().zip(flat(&next)).zip(flat(&g)) {
            assert!(((p - n) - 0.01 * g.signum()).abs() < 1e-5, "{p} {n} {g}");
        }
    }
}
