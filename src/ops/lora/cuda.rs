//! The launches of `lora.cu`.

use super::LoraWeights;
use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, f32_only, name, over_elements, threads_of_row};
use crate::tensor::Matrix;
use std::ops::Range;

/// `x`, each element times `scale`, or 0 where its hash is below the threshold.
pub(super) fn dropout(x: &Matrix, scale: f32, threshold: u32, seed: u64) -> Result<Matrix> {
    let from = x.array()?;
    let elements = [from.element()];
    let mut y = Array::new(from.gpu(), elements[0], x.len())?;
    let args =
        [from.at(0), y.at_mut(0), Arg::from(x.len() as u64), Arg::from(seed), Arg::from(threshold), Arg::from(scale)];
    from.gpu().launch(&name("dropout", &elements), over_elements(x.len(), &elements), &args)?;
    Ok(Matrix::of_array(x.rows(), x.cols(), y))
}

/// Rows up to which the kernels of few rows are called, as in decoding: products of so little take longer to begin than to
/// do. Beyond, cuBLAS multiplies.
pub(super) const FEW: usize = 32;

/// The tables that the kernels of few rows read: row after row the same delta.
#[derive(Debug)]
pub(super) struct Tables {
    /// `lora::Entry` of the kernels: one delta of one row.
    entries: Array,
    /// By row, its first entry, and the end.
    firsts: Array,
    rank: usize,
    outputs: usize,
}

impl Tables {
    /// The delta's matrices must live as long.
    pub(super) fn new(delta: &LoraWeights) -> Result<Self> {
        let gpu = delta.a.array()?.gpu();
        let mut entries = Vec::new();
        for row in 0..FEW {
            for word in [row as u64, address(&delta.a)?, address(&delta.b)?] {
                entries.extend(word.to_le_bytes());
            }
            entries.extend((delta.a.rows() as u32).to_le_bytes());
            entries.extend((delta.scaling as f32).to_le_bytes());
        }
        let firsts: Vec<u32> = (0..=FEW as u32).collect();
        Ok(Tables {
            entries: Array::upload_bytes(gpu, &entries)?,
            firsts: Array::upload_u32(gpu, &firsts)?,
            rank: delta.a.rows(),
            outputs: delta.b.rows(),
        })
    }

    /// `x Aᵀ` of some rows, f32.
    pub(super) fn down(&self, x: &Matrix, rows: Range<usize>) -> Result<Matrix> {
        let (from, inputs) = (x.array()?, x.cols());
        let mut low = Array::new(from.gpu(), Element::F32, rows.len() * self.rank)?;
        let sizes = [Arg::from(inputs as u32), Arg::from(self.rank as u32)];
        let no_dropout = [Arg::from(0u64), Arg::from(0u32), Arg::from(1.0f32)];
        let operands = [from.at(rows.start * inputs), low.at_mut(0), self.entries.at(0)];
        let args: Vec<Arg> = operands.into_iter().chain(sizes).chain(no_dropout).collect();
        let elements = [from.element()];
        let threads = threads_of_row(inputs, &elements, 1024);
        let grid = Grid { blocks: [blocks(self.rank, 1), blocks(rows.len(), 1), 1], threads, shared: 0 };
        from.gpu().launch(&name("lora_down", &elements), grid, &args)?;
        Ok(Matrix::of_array(rows.len(), self.rank, low))
    }

    /// Adds `scaling · low Bᵀ` to some rows of `y`.
    pub(super) fn up(&self, y: &mut Matrix, rows: Range<usize>, low: &Matrix) -> Result<()> {
        const THREADS: usize = 128;
        let (low, to) = (low.array()?, y.array_mut()?);
        let elements = [to.element()];
        let sizes = [Arg::from(self.outputs as u32), Arg::from(self.rank as u32)];
        let first = rows.start * self.outputs;
        let args = [to.at_mut(first), low.at(0), self.entries.at(0), self.firsts.at(0), sizes[0], sizes[1]];
        let grid = [blocks(self.outputs, THREADS), blocks(rows.len(), 1), 1];
        let grid = Grid { blocks: grid, threads: THREADS as u32, shared: 0 };
        low.gpu().launch(&name("lora_up", &elements), grid, &args)
    }
}

fn address(matrix: &Matrix) -> Result<u64> {
    Ok(f32_only(matrix.array()?)?.address_of(0))
}
