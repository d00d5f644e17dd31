//! The gated activation of the MLP: `act(gate) · up` with SiLU (Shazeer 2020, SwiGLU) or tanh-GELU (GeGLU).

use super::buffers;
use super::exp::exp;
use super::host::{self, View};
use super::simd::vectorized;
use crate::error::Result;
use candle_core::Tensor;
use rayon::prelude::*;

/// The activation of the gate, by its Hugging Face `hidden_act`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `silu`: x · σ(x)
    Silu,
    /// `gelu_pytorch_tanh`: the tanh approximation of GELU
    GeluTanh,
}

impl Activation {
    /// Value and derivative.
    #[inline(always)]
    fn with_slope(self, x: f32) -> (f32, f32) {
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

    fn composed(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Silu => x.silu()?,
            Activation::GeluTanh => x.gelu()?,
        })
    }

    fn composed_slope(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Silu => {
                let sigmoid = (x.neg()?.exp()? + 1.0)?.recip()?;
                let rest = (x * (1.0 - &sigmoid)?)?;
                (sigmoid * (rest + 1.0)?)?
            }
            Activation::GeluTanh => {
                let (root, cubic) = ((2.0 / std::f64::consts::PI).sqrt(), 0.044715);
                let tanh = ((x + (x.powf(3.0)? * cubic)?)? * root)?.tanh()?;
                let rising = ((&tanh + 1.0)? * 0.5)?;
                let inner = (((x.sqr()? * (3.0 * cubic))? + 1.0)? * (0.5 * root))?;
                (rising + ((1.0 - tanh.sqr()?)? * (x * inner)?)?)?
            }
        })
    }
}

/// `gate, up [tokens, n]` → `[tokens, n]`.
pub(crate) fn forward(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !host::applies(gate) {
        return Ok((activation.composed(gate)? * up)?);
    }
    let (rows, n) = gate.dims2()?;
    let (gv, uv) = (View::of(gate)?, View::of(up)?);
    let mut y = buffers::take(rows * n)?;
    let chunk = 1 << 14;
    y.par_chunks_mut(chunk).zip(gv.par_chunks(chunk)).zip(uv.par_chunks(chunk)).for_each(|((y, g), u)| {
        vectorized(
            #[inline(always)]
            || {
                for ((y, g), u) in y.iter_mut().zip(g).zip(u) {
                    *y = activation.with_slope(*g).0 * u;
                }
            },
        );
    });
    host::tensor(y, rows, n)
}

/// What backward gives.
pub(crate) struct Backward {
    /// The output again: the input of the layer after this.
    pub(crate) gated: Tensor,
    pub(crate) dgate: Tensor,
    pub(crate) dup: Tensor,
}

/// The gradients of `gate` and `up`, and the output, in one pass.
///
/// On the host they take the place of the operands, which the caller must hold the only use of.
pub(crate) fn backward(activation: Activation, gate: Tensor, up: Tensor, dy: Tensor) -> Result<Backward> {
    if !host::applies(&gate) {
        let value = activation.composed(&gate)?;
        let dgate = (activation.composed_slope(&gate)? * &up * &dy)?;
        return Ok(Backward { gated: (&value * up)?, dgate, dup: (value * dy)? });
    }
    let (rows, n) = gate.dims2()?;
    let (mut gate, mut up, mut dy) = (host::into_vec(gate)?, host::into_vec(up)?, host::into_vec(dy)?);
    let chunk = 1 << 14;
    gate.par_chunks_mut(chunk).zip(up.par_chunks_mut(chunk)).zip(dy.par_chunks_mut(chunk)).for_each(
        |((gate, up), dy)| {
            vectorized(
                #[inline(always)]
                || {
                    for ((g, u), d) in gate.iter_mut().zip(up).zip(dy) {
                        let (value, slope) = activation.with_slope(*g);
                        (*g, *u, *d) = (*d * *u * slope, *d * value, value * *u);
                    }
                },
            );
        },
    );
    let [gated, dgate, dup] = [dy, gate, up].map(|data| host::tensor(data, rows, n));
    Ok(Backward { gated: gated?, dgate: dgate?, dup: dup? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    fn copies_backward(activation: Activation, gate: &Tensor, up: &Tensor, dy: &Tensor) -> Backward {
        backward(activation, gate.copy().unwrap(), up.copy().unwrap(), dy.copy().unwrap()).unwrap()
    }

    #[test]
    fn kernels_equal_the_composed_forms() {
        let (g, u, dy) = (normal((6, 35), 1), normal((6, 35), 2), normal((6, 35), 3));
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let y = (activation.composed(&g).unwrap() * &u).unwrap();
            assert_close(&forward(activation, &g, &u).unwrap(), &y, 2e-6);
            let dg = (activation.composed_slope(&g).unwrap() * &u * &dy).unwrap();
            let Backward { gated, dgate, .. } = copies_backward(activation, &g, &u, &dy);
            assert_close(&gated, &y, 2e-6);
            assert_close(&dgate, &dg, 2e-6);
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let (g, u, dy) = (normal((4, 9), 1), normal((4, 9), 2), normal((4, 9), 3));
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let Backward { dgate, dup, .. } = copies_backward(activation, &g, &u, &dy);
            check_gradient(&g, &dgate, &dy, |g| forward(activation, g, &u).unwrap());
            check_gradient(&u, &dup, &dy, |u| forward(activation, &g, u).unwrap());
        }
    }
}
