//! Rotary position embedding (Su et al. 2021) in the half-split layout of Hugging Face's `rotate_half`.

mod cpu;

use super::reference;
use crate::error::Result;
use crate::tensor::{Device, Matrix};
use rayon::prelude::*;

/// Cosines and sines of the tokens of one pass, shared by all layers.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// `[tokens, head_dim / 2]`
    cos: Matrix,
    /// `[tokens, head_dim / 2]`
    sin: Matrix,
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
        let matrix = |values| Matrix::new(positions.len(), half, values, device);
        Ok(Rotation { cos: matrix(cos)?, sin: matrix(sin)? })
    }

    /// Rotates every head of `x [tokens, heads · head_dim]`.
    pub(crate) fn forward(&self, x: Matrix) -> Result<Matrix> {
        self.rotate(x, 1.0)
    }

    /// The gradient of the input: the rotation by −θ.
    pub(crate) fn backward(&self, dy: Matrix) -> Result<Matrix> {
        self.rotate(dy, -1.0)
    }

    fn rotate(&self, mut x: Matrix, sign: f32) -> Result<Matrix> {
        if x.on_host() {
            cpu::rotate(self.cos.slice()?, self.sin.slice()?, self.cos.cols(), sign, &mut x)?;
            return Ok(x);
        }
        Matrix::of_tensor(&reference::rope(&self.cos.tensor()?, &self.sin.tensor()?, &x.tensor()?, sign)?)
    }
}
