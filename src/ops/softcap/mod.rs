//! The soft cap of scores and logits: `y = c · tanh(x / c)` (Gemma 2). Attention and the loss have it in their own kernels.

mod cpu;
mod cuda;

pub(super) use cpu::{cap, slope};

use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;

/// Caps every element.
pub(crate) fn forward(mut x: Matrix, c: f32) -> Result<Matrix> {
    if x.on_host() {
        cpu::forward(&mut x, c)?;
        return Ok(x);
    }
    if x.on_gpu() {
        cuda::forward(&mut x, c)?;
        return Ok(x);
    }
    Matrix::of_tensor(&reference::softcap(&x.tensor()?, c)?)
}
