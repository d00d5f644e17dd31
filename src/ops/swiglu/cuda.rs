//! The launches of `swiglu.cu`.

use super::{Activation, Backward};
use crate::error::Result;
use crate::gpu::{Arg, Array, common_type, name, over_elements};
use crate::tensor::Matrix;

pub(super) fn forward(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
    let (g, u) = (gate.array()?, up.array()?);
    let elements = [common_type(&[g, u])?];
    let mut y = Array::new(g.gpu(), elements[0], gate.len())?;
    let kernel = match activation {
        Activation::Silu => "swiglu_silu",
        Activation::GeluTanh => "swiglu_gelu",
    };
    let args = [g.at(0), u.at(0), y.at_mut(0), Arg::from(gate.len() as u64)];
    g.gpu().launch(&name(kernel, &elements), over_elements(gate.len(), &elements), &args)?;
    Ok(Matrix::of_array(gate.rows(), gate.cols(), y))
}

/// The results take the place of the operands.
pub(super) fn backward(activation: Activation, mut gate: Matrix, mut up: Matrix, mut dy: Matrix) -> Result<Backward> {
    let n = gate.len();
    let elements = [common_type(&[gate.array()?, up.array()?, dy.array()?])?];
    let kernel = match activation {
        Activation::Silu => "swiglu_backward_silu",
        Activation::GeluTanh => "swiglu_backward_gelu",
    };
    let [g, u, d] = [gate.array_mut()?.at_mut(0), up.array_mut()?.at_mut(0), dy.array_mut()?.at_mut(0)];
    let args = [g, u, d, d, g, u, Arg::from(n as u64)];
    gate.array()?.gpu().launch(&name(kernel, &elements), over_elements(n, &elements), &args)?;
    Ok(Backward { gated: dy, dgate: gate, dup: up })
}
