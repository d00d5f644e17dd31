//! Root-mean-square normalisation (Zhang & Sennrich 2019): `y = x / √(mean(x²) + ε) · w`, row by row, or piece by piece of a
//! row that is several times as long as the weight (the heads of queries and keys).

mod cpu;
mod cuda;

use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::Operand;

/// `x [rows, pieces · n]`, `weight [1, n]` → the shape of `x`; on a GPU of the type that activations have beside the weight.
pub(crate) fn forward(x: &Matrix, weight: &Matrix, eps: f64) -> Result<Matrix> {
    if x.on_gpu() {
        return cuda::forward(x, weight, eps, weight.array()?.gpu().activation_type());
    }
    match x.on_host() {
        true => cpu::forward(x, weight, eps),
        false => Matrix::of_tensor(&reference::rms_norm(&x.tensor()?, &weight.tensor()?, eps)?),
    }
}

/// The same of whole rows of the residual stream, to be multiplied with weights that take it in 8 bits or not.
pub(crate) fn operand(x: &Matrix, weight: &Matrix, eps: f64, eight_bits: bool) -> Result<Operand<'static>> {
    match x.on_gpu() && eight_bits {
        true => cuda::in_eight_bits(x, weight, eps, weight.array()?.gpu().activation_type()),
        false => forward(x, weight, eps).map(Operand::owned),
    }
}

/// The gradient of `x`, given the input of the forward pass; the weight is frozen.
///
/// With `r = 1/rms` and `g = dy · w`: `dx = r·g − x · r³/n · Σ(g·x)`.
pub(crate) fn backward(x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix) -> Result<Matrix> {
    if x.on_gpu() {
        return cuda::backward(x, weight, eps, dy);
    }
    match x.on_host() {
        true => cpu::backward(x, weight, eps, dy),
        false => Matrix::of_tensor(&reference::rms_norm_backward(&x.tensor()?, &weight.tensor()?, eps, &dy.tensor()?)?),
    }
}

/// Adds the gradient of `x` to `dx`.
pub(crate) fn add_backward(x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
    match x.on_gpu() {
        true => cuda::add_backward(x, weight, eps, dy, dx),
        false => dx.add(&backward(x, weight, eps, dy)?),
    }
}
