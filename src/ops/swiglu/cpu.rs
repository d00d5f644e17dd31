//! The kernels on slices.

use super::{Activation, Backward};
use crate::error::Result;
use crate::tensor::columns::CHUNK;
use crate::tensor::exp::exp;
use crate::tensor::simd::vectorized;
use crate::tensor::{Matrix, buffers};
use rayon::prelude::*;

impl Activation {
    /// Value and derivative.
    #[inline(always)]
    pub(super) fn with_slope(self, x: f32) -> (f32, f32) {
        match self {
            Activation::Silu => {
                let sigmoid = 1.0 / (1.0 + exp(-x));
                (x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid)))
            }
            Activation::GeluTanh => {
                const ROOT: f32 = 0.797_884_6; // √(2/π)
                const CUBIC: f32 = 0.044_715;
                let inner = ROOT * (x + CUBIC * x * x * x);
                let tanh = 1.0 - 2.0 / (exp(2.0 * inner) + 1.0);
                let slope = 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * ROOT * (1.0 + 3.0 * CUBIC * x * x);
                (0.5 * x * (1.0 + tanh), slope)
            }
        }
    }
}

pub(super) fn forward(activation: Activation, gate: &Matrix, up: &Matrix) -> Result<Matrix> {
    let mut y = buffers::take(gate.len())?;
    let operands = gate.slice()?.par_chunks(CHUNK).zip(up.slice()?.par_chunks(CHUNK));
    y.par_chunks_mut(CHUNK).zip(operands).for_each(|(y, (g, u))| {
        vectorized(
            #[inline(always)]
            || {
                for ((y, g), u) in y.iter_mut().zip(g).zip(u) {
                    *y = activation.with_slope(*g).0 * u;
                }
            },
        );
    });
    Ok(Matrix::host(gate.rows(), gate.cols(), y))
}

/// The same in place of `gate`.
pub(super) fn gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
    vectorized(
        #[inline(always)]
        || gate.iter_mut().zip(up).for_each(|(g, u)| *g = activation.with_slope(*g).0 * u),
    );
}

pub(super) fn backward(activation: Activation, mut gate: Matrix, mut up: Matrix, mut dy: Matrix) -> Result<Backward> {
    let operands = up.slice_mut()?.par_chunks_mut(CHUNK).zip(dy.slice_mut()?.par_chunks_mut(CHUNK));
    gate.slice_mut()?.par_chunks_mut(CHUNK).zip(operands).for_each(|(gate, (up, dy))| {
        vectorized(
            #[inline(always)]
            || {
                for ((g, u), d) in gate.iter_mut().zip(up).zip(dy) {
                    let (value, slope) = activation.with_slope(*g);
                    (*g, *u, *d) = (*d * *u * slope, *d * value, value * *u);
                }
            },
        );
    });
    Ok(Backward { gated: dy, dgate: gate, dup: up })
}
