//! Rotary position embedding (Su et al. 2021) of the first features of each head, all of them in most families, in the
//! half-split layout of Hugging Face's `rotate_half` or in neighbouring pairs.

mod cpu;
mod cuda;

pub(crate) use super::kinds::Pairs;
use super::reference;
use crate::error::Result;
use crate::tensor::{Device, Matrix, RowIndices};
use rayon::prelude::*;

/// Tokens up to which the angles are not worth a thread's waking.
pub(crate) const FEW: usize = 64;

/// Cosines and sines of the tokens of one pass, shared by layers.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// `[tokens, rotated / 2]`
    cos: Matrix,
    /// `[tokens, rotated / 2]`
    sin: Matrix,
    head_dim: usize,
    pairs: Pairs,
}

/// Queries and keys as they are rotated, if they are.
pub(crate) fn rotated(rotation: Option<&Rotation>, q: Matrix, k: Matrix) -> Result<(Matrix, Matrix)> {
    match rotation {
        None => Ok((q, k)),
        Some(rotation) => Ok((rotation.forward(q)?, rotation.forward(k)?)),
    }
}

impl Rotation {
    /// Of whole heads in halves: angles `position · inv_freq`, with cosines and sines times `attention_factor` (YaRN's
    /// temperature; 1 otherwise).
    #[cfg(test)]
    pub(crate) fn new(positions: &[usize], inv_freq: &[f32], attention_factor: f32, device: &Device) -> Result<Self> {
        let rows: Vec<(usize, &[f32])> = positions.iter().map(|position| (*position, inv_freq)).collect();
        Self::of_rows(&rows, attention_factor, 2 * inv_freq.len(), Pairs::Halves, device)
    }

    /// The same of the first features of each head, by the position and the frequencies of each token.
    pub(crate) fn of_rows(
        rows: &[(usize, &[f32])],
        attention_factor: f32,
        head_dim: usize,
        pairs: Pairs,
        device: &Device,
    ) -> Result<Self> {
        let half = rows.first().map_or(head_dim / 2, |(_, inv_freq)| inv_freq.len());
        let mut cos = vec![0.0f32; rows.len() * half];
        let mut sin = vec![0.0f32; rows.len() * half];
        let turn = |cos: &mut [f32], sin: &mut [f32], (position, inv_freq): &(usize, &[f32])| {
            for ((cos, sin), freq) in cos.iter_mut().zip(sin).zip(*inv_freq) {
                let (s, c) = (*position as f32 * freq).sin_cos();
                (*cos, *sin) = (c * attention_factor, s * attention_factor);
            }
        };
        match rows.len() <= FEW {
            true => cos.chunks_mut(half).zip(sin.chunks_mut(half)).zip(rows).for_each(|((c, s), row)| turn(c, s, row)),
            false => {
                let pairs = cos.par_chunks_mut(half).zip(sin.par_chunks_mut(half));
                pairs.zip(rows).for_each(|((c, s), row)| turn(c, s, row));
            }
        }
        let matrix = |values| Matrix::new(rows.len(), half, values, device);
        Ok(Rotation { cos: matrix(cos)?, sin: matrix(sin)?, head_dim, pairs })
    }

    /// Rotates every head of `x [tokens, heads · head_dim]`.
    pub(crate) fn forward(&self, x: Matrix) -> Result<Matrix> {
        self.rotate(x, 1.0)
    }

    /// Rotates queries, and writes the rotated keys and the values of each token to its row of two matrices of a pool, all of
    /// them on a card.
    pub(crate) fn store(&self, qkv: [&mut Matrix; 3], places: &RowIndices, pool: [&mut Matrix; 2]) -> Result<()> {
        cuda::rotate_and_store([&self.cos, &self.sin], self.head_dim, self.pairs, qkv, places, pool)
    }

    /// The gradient of the input: the rotation by −θ.
    pub(crate) fn backward(&self, dy: Matrix) -> Result<Matrix> {
        self.rotate(dy, -1.0)
    }

    fn rotate(&self, mut x: Matrix, sign: f32) -> Result<Matrix> {
        if x.on_host() {
            let (cos, sin) = (self.cos.slice()?, self.sin.slice()?);
            cpu::rotate(cos, sin, self.head_dim, self.pairs, sign, &mut x)?;
            return Ok(x);
        }
        if x.on_gpu() {
            cuda::rotate(&self.cos, &self.sin, self.head_dim, self.pairs, sign, &mut x)?;
            return Ok(x);
        }
        let (cos, sin) = (self.cos.tensor()?, self.sin.tensor()?);
        Matrix::of_tensor(&reference::rope(&cos, &sin, self.head_dim, self.pairs, &x.tensor()?, sign)?)
    }
}
