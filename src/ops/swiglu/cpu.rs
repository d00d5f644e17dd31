//! The kernels on slices.

use super::{Activation, Backward};
use crate::error::Result;
use crate::tensor::columns::CHUNK;
use crate::tensor::exp::exp;
use crate::tensor::simd::vectorized;
use crate::tensor::{Matrix, buffers};
use rayon::prelude::*;

/// A function of the gate: its value and its derivative. A type, so that a loop is made for each: in one for both, vectors would
/// make both and take one.
trait Curve {
    fn at(x: f32) -> (f32, f32);
}

struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn at(x: f32) -> (f32, f32) {
        let sigmoid = 1.0 / (1.0 + exp(-x));
        (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid)))
    }
}

struct GeluTanh;

impl Curve for GeluTanh {
    #[inline(always)]
    fn at(x: f32) -> (f32, f32) {
        const ROOT: f32 = 0.797_884_6; // √(2/π)
        const CUBIC: f32 = 0.044_715;
        let inner = ROOT * (x + CUBIC * x * x * x);
        let tanh = 1.0 - 2.0 / (exp(2.0 * inner) + 1.0);
        let slope = 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * ROOT * (1.0 + 3.0 * CUBIC * x * x);
        (0.5 * x * (1.0 + tanh), slope)
    }
}

pub(super) fn forward(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
    let mut y = buffers::take(gate.len())?;
    let operands = gate.slice()?.par_chunks(CHUNK).zip(up.slice()?.par_chunks(CHUNK));
    y.par_chunks_mut(CHUNK).zip(operands).for_each(|(y, (g, u))| match activation {
        Activation::Silu => forward_by::<Silu>(y, g, u),
        Activation::GeluTanh => forward_by::<GeluTanh>(y, g, u),
    });
    Ok(Matrix::host(gate.rows(), gate.cols(), y))
}

fn forward_by<C: Curve>(y: &mut [f32], gate: &[f32], up: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
                *y = C::at(*g).0 * u;
            }
        },
    );
}

/// The same in place of `gate`.
pub(super) fn gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => gate_by::<Silu>(gate, up),
        Activation::GeluTanh => gate_by::<GeluTanh>(gate, up),
    }
}

fn gate_by<C: Curve>(gate: &mut [f32], up: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            // What `for_each` takes would not be inlined here.
            for (g, u) in gate.iter_mut().zip(up) {
                *g = C::at(*g).0 * u;
            }
        },
    );
}

pub(super) fn backward(activation: Activation, mut gate: Matrix, mut up: Matrix, mut dy: Matrix) -> Result<Backward> {
    let operands = up.slice_mut()?.par_chunks_mut(CHUNK).zip(dy.slice_mut()?.par_chunks_mut(CHUNK));
    gate.slice_mut()?.par_chunks_mut(CHUNK).zip(operands).for_each(|(gate, (up, dy))| match activation {
        Activation::Silu => backward_by::<Silu>(gate, up, dy),
        Activation::GeluTanh => backward_by::<GeluTanh>(gate, up, dy),
    });
    Ok(Backward { gated: dy, dgate: gate, dup: up })
}

fn backward_by<C: Curve>(gate: &mut [f32], up: &mut [f32], dy: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for ((g, u), d) in gate.iter_mut().zip(up).zip(dy) {
                let (value, slope) = C::at(*g);
                (*g, *u, *d) = (*d * *u * slope, *d * value, value * *u);
            }
        },
    );
}
