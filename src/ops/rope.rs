//! Rotary position embedding (Su et al. 2021) in the half-split layout of Hugging Face's `rotate_half`.

use super::host::{self, View};
use super::simd::vectorized;
use crate::error::Result;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

/// Cosines and sines of the tokens of one forward pass, shared by all layers.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// `[tokens, head_dim / 2]`
    cos: Tensor,
    /// `[tokens, head_dim / 2]`
    sin: Tensor,
}

impl Rotation {
    /// Angles `position · inv_freq`, times `attention_factor` (YaRN's temperature; 1 otherwise).
    pub(crate) fn new(positions: &[usize], inv_freq: &[f32], attention_factor: f32, device: &Device) -> Result<Self> {
        let half = inv_freq.len();
        let mut cos = vec![0.0f32; positions.len() * half];
        let mut sin = vec![0.0f32; positions.len() * half];
        cos.par_chunks_mut(half).zip(sin.par_chunks_mut(half)).zip(positions).for_each(|((cos, sin), &position)| {
            for ((cos, sin), freq) in cos.iter_mut().zip(sin).zip(inv_freq) {
                let (s, c) = (position as f32 * freq).sin_cos();
                (*cos, *sin) = (c * attention_factor, s * attention_factor);
            }
        });
        let shape = (positions.len(), half);
        Ok(Rotation { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }

    /// Rotates every head of `x [tokens, heads · head_dim]`, in its memory where that is the host's: the caller must hold
    /// the only use of it.
    pub(crate) fn forward(&self, x: Tensor) -> Result<Tensor> {
        self.rotate(x, 1.0)
    }

    /// The gradient of the input: the rotation by −θ. The same caution as [`Rotation::forward`].
    pub(crate) fn backward(&self, dy: Tensor) -> Result<Tensor> {
        self.rotate(dy, -1.0)
    }

    fn rotate(&self, x: Tensor, sign: f32) -> Result<Tensor> {
        if !host::applies(&x) {
            return self.composed(&x, sign);
        }
        let (tokens, width) = x.dims2()?;
        let (cv, sv) = (View::of(&self.cos)?, View::of(&self.sin)?);
        let (cos, sin): (&[f32], &[f32]) = (&cv, &sv);
        let half = self.cos.dim(1)?;
        let mut data = host::into_vec(x)?;
        let rows = host::rows_per_task(width);
        data.par_chunks_mut(rows * width).enumerate().for_each(|(task, data)| {
            for (i, token) in data.chunks_exact_mut(width).enumerate() {
                let row = task * rows + i;
                let (c, s) = (&cos[row * half..][..half], &sin[row * half..][..half]);
                for head in token.chunks_exact_mut(2 * half) {
                    let (x1, x2) = head.split_at_mut(half);
                    vectorized(
                        #[inline(always)]
                        || {
                            for ((x1, x2), (c, s)) in x1.iter_mut().zip(x2).zip(c.iter().zip(s)) {
                                let s = s * sign;
                                (*x1, *x2) = (*x1 * c - *x2 * s, *x2 * c + *x1 * s);
                            }
                        },
                    );
                }
            }
        });
        host::tensor(data, tokens, width)
    }

    fn composed(&self, x: &Tensor, sign: f32) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let half = self.cos.dim(1)?;
        let x = x.reshape((tokens, width / (2 * half), 2, half))?;
        let (x1, x2) = (x.narrow(2, 0, 1)?, x.narrow(2, 1, 1)?);
        let cos = self.cos.reshape((tokens, 1, 1, half))?;
        let sin = (self.sin.reshape((tokens, 1, 1, half))? * f64::from(sign))?;
        let y1 = (x1.broadcast_mul(&cos)? - x2.broadcast_mul(&sin)?)?;
        let y2 = (x2.broadcast_mul(&cos)? + x1.broadcast_mul(&sin)?)?;
        Ok(Tensor::cat(&[y1, y2], 2)?.reshape((tokens, width))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_device::device;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    fn rotation() -> Rotation {
        Rotation::new(&[0, 1, 5, 0, 300], &[1.0, 0.3, 0.01], 1.2, &device()).unwrap()
    }

    #[test]
    fn the_kernel_equals_the_composed_form() {
        let x = normal((5, 12), 1);
        assert_close(&rotation().forward(x.copy().unwrap()).unwrap(), &rotation().composed(&x, 1.0).unwrap(), 1e-6);
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (x, dy) = (normal((5, 12), 1), normal((5, 12), 3));
        let dx = rotation().backward(dy.copy().unwrap()).unwrap();
        check_gradient(&x, &dx, &dy, |x| rotation().forward(x.copy().unwrap()).unwrap());
    }
}
