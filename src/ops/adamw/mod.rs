//! AdamW with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW` computes it, moments in f32.

pub(crate) mod adapter;
mod cpu;

pub(super) use super::kinds::AdamFactors;
use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;

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

impl Hyper {
    /// What the moments lack of their means after step `step`: `1 − β^step` of both.
    fn corrections(self, step: u64) -> [f64; 2] {
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        [self.beta1, self.beta2].map(|beta| 1.0 - beta.powi(power))
    }
}

/// The two moments of one parameter; both have its shape.
#[derive(Debug)]
pub(crate) struct Moments {
    pub(crate) first: Matrix,
    pub(crate) second: Matrix,
}

impl Moments {
    /// Zero, as before the first step.
    pub(crate) fn zeros(parameter: &Matrix) -> Result<Self> {
        Ok(Moments { first: Matrix::zeros_like(parameter)?, second: Matrix::zeros_like(parameter)? })
    }
}

/// √Σ g² over all elements of all gradients.
pub(crate) fn norm(gradients: &[&Matrix]) -> Result<f64> {
    if gradients.iter().any(|gradient| gradient.on_gpu()) {
        return adapter::norm(gradients);
    }
    Ok(gradients.iter().map(|gradient| gradient.sum_of_squares()).sum::<Result<f64>>()?.sqrt())
}

/// The parameter and moments after step `step` (counted from 1). The gradient is multiplied by `clip` first.
pub(crate) fn step(
    hyper: Hyper,
    learning_rate: f64,
    step: u64,
    clip: f64,
    parameter: &Matrix,
    gradient: &Matrix,
    moments: &Moments,
) -> Result<(Matrix, Moments)> {
    if parameter.on_gpu() {
        // By the kernel for the tensors of an adapter.
        let mut next = parameter.duplicate()?;
        let (mut first, mut second) = (moments.first.duplicate()?, moments.second.duplicate()?);
        let tensor = adapter::Tensor {
            parameter: &mut next,
            cast: None,
            first: &mut first,
            second: &mut second,
            gradient,
            ratio: 1.0,
        };
        adapter::step(hyper, learning_rate, step, clip, &mut [tensor])?;
        return Ok((next, Moments { first, second }));
    }
    let [correction1, correction2] = hyper.corrections(step);
    let factors = AdamFactors {
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
    if parameter.on_host() {
        return cpu::step(factors, parameter, gradient, moments);
    }
    let operands = [parameter, gradient, &moments.first, &moments.second].map(Matrix::tensor);
    let [parameter, gradient, first, second] = operands;
    let [next, first, second] = reference::adamw(factors, &parameter?, &gradient?, &first?, &second?)?;
    let moments = Moments { first: Matrix::of_tensor(&first)?, second: Matrix::of_tensor(&second)? };
    Ok((Matrix::of_tensor(&next)?, moments))
}
