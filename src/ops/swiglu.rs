//! The gated activation of the MLP: `act(gate) · up` with SiLU (Shazeer 2020, SwiGLU) or tanh-GELU (GeGLU).

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
    let mut y = vec![0.0f32; rows * n];
    let chunk = 1 << 14;
    y.par_chunks_mut(chunk).zip(gv.par_chunks(chunk)).zip(uv.par_chunks(chunk)).for_each(|((y, g), u)| {
        vectorized(|| {
            for ((y, g), u) in y.iter_mut().zip(g).zip(u) {
                *y = activation.with_slope(*g).0 * u;
            }
        });
    });
    host::tensor(y, rows, n)
}

/// The gradients of `gate` and `up`.
pub(crate) fn backward(activation: Activation, gate: &Tensor, up: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor)> {
    if !host::applies(gate) {
        let dgate = (activation.composed_slope(gate)? * up * dy)?;
        return Ok((dgate, (activation.composed(gate)? * dy)?));
    }
    let (rows, n) = gate.dims2()?;
    let (gv, uv, dyv) = (View::of(gate)?, View::of(up)?, View::of(dy)?);
    let (mut dgate, mut dup) = (vec![0.0f32; rows * n], vec![0.0f32; rows * n]);
    let chunk = 1 << 14;
    dgate
        .par_chunks_mut(chunk)
        .zip(dup.par_chunks_mut(chunk))
        .zip(gv.par_chunks(chunk))
        .zip(uv.par_chunks(chunk).zip(dyv.par_chunks(chunk)))
        .for_each(|(((dg, du), g), (u, dy))| {
            vectorized(|| {
                for ((dg, du), (g, (u, dy))) in dg.iter_mut().zip(du).zip(g.iter().zip(u.iter().zip(dy))) {
                    let (value, slope) = activation.with_slope(*g);
                    *dg = dy * u * slope;
                    *du = dy * value;
                }
            });
        });
    Ok((host::tensor(dgate, rows, n)?, host::tensor(dup, rows, n)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    #[test]
    fn kernels_equal_the_composed_forms() {
        let (g, u, dy) = (normal((6, 35), 1), normal((6, 35), 2), normal((6, 35), 3));
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let y = (activation.composed(&g).unwrap() * &u).unwrap();
            assert_close(&forward(activation, &g, &u).unwrap(), &y, 2e-6);
            let dg = (activation.composed_slope(&g).unwrap() * &u * &dy).unwrap();
            assert_close(&backward(activation, &g, &u, &dy).unwrap().0, &dg, 2e-6);
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let (g, u, dy) = (normal((4, 9), 1), normal((4, 9), 2), normal((4, 9), 3));
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let (dg, du) = backward(activation, &g, &u, &dy).unwrap();
            check_gradient(&g, &dg, &dy, |g| forward(activation, g, &u).unwrap());
            check_gradient(&u, &du, &dy, |u| forward(activation, &g, u).unwrap());
        }
    }
}
