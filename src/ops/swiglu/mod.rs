//! The gated activation of the MLP: `act(gate) · up` with SiLU (Shazeer 2020, SwiGLU) or tanh-GELU (GeGLU).

mod cpu;
mod cuda;

pub(crate) use super::kinds::Activation;
use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::Operand;

/// `gate, up [tokens, n]` → `[tokens, n]`.
pub(crate) fn forward(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
    if gate.on_gpu() {
        return cuda::forward(activation, gate, up);
    }
    match gate.on_host() {
        true => cpu::forward(activation, gate, up),
        false => Matrix::of_tensor(&reference::swiglu(activation, &gate.tensor()?, &up.tensor()?)?),
    }
}

/// The same in place of some of `gate`, with as much of `up`, both in host memory.
pub(crate) fn gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
    cpu::gate(activation, gate, up);
}

/// The same, to be multiplied with weights that take it in 8 bits or not.
pub(crate) fn operand(
    activation: Activation,
    gate: &Matrix,
    up: &Matrix,
    eight_bits: bool,
) -> Result<Operand<'static>> {
    match gate.on_gpu() && eight_bits {
        true => cuda::in_eight_bits(activation, gate, up),
        false => forward(activation, gate, up).map(Operand::owned),
    }
}

/// What backward gives.
pub(crate) struct Backward {
    /// The output again: the input of the layer after this.
    pub(crate) gated: Matrix,
    pub(crate) dgate: Matrix,
    pub(crate) dup: Matrix,
}

/// The gradients of `gate` and `up`, and the output, in one pass; they take the place of the operands.
pub(crate) fn backward(activation: Activation, gate: Matrix, up: Matrix, dy: Matrix) -> Result<Backward> {
    if gate.on_host() {
        return cpu::backward(activation, gate, up, dy);
    }
    if gate.on_gpu() {
        return cuda::backward(activation, gate, up, dy);
    }
    let [gated, dgate, dup] = reference::swiglu_backward(activation, &gate.tensor()?, &up.tensor()?, &dy.tensor()?)?;
    Ok(Backward { gated: Matrix::of_tensor(&gated)?, dgate: Matrix::of_tensor(&dgate)?, dup: Matrix::of_tensor(&dup)? })
}
