//! Weights in GGML's Q8_0 (blocks of 32 8-bit integers and a scale), packed for products of integers.
//!
//! Activations are quantized the same way, row by row and block by block, as llama.cpp does for its Q8_0 products. Where
//! the CPU has no AVX-512 VNNI, or exact products are asked for, rows are dequantized to f32 a few at a time.

use super::super::dequantized::Rows;
use super::tile::{BLOCK, TILE, Tile, ZERO};
use super::vnni::Kernel;
use crate::error::Result;
use crate::memory;
use crate::tensor::Buffer;
use crate::tensor::buffers;
use crate::tensor::columns::Columns;
use crate::tensor::simd::vectorized;
use half::f16;
use rayon::prelude::*;

/// Bytes of a block as GGML stores it: the scale, then the integers.
const STORED_BLOCK: usize = 2 + BLOCK;
/// Rows of quantized whose products one task makes.
const TASK_ROWS: usize = 192;

/// A quantized matrix `[outputs, inputs]`.
#[derive(Debug)]
pub(super) struct Packed {
    outputs: usize,
    inputs: usize,
    /// Blocks of inputs per row.
    blocks: usize,
    /// Row of tiles after row of tiles.
    tiles: Vec<Tile>,
}

impl Packed {
    /// Quantizes a matrix whose row `i` is written by `row(i, buffer)`.
    pub(super) fn quantize(outputs: usize, inputs: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Result<Self> {
        Self::build(outputs, inputs, |index, lane, tiles| {
            let mut values = vec![0.0f32; tiles.len() * BLOCK];
            row(index, &mut values[..inputs]);
            vectorized(
                #[inline(always)]
                || {
                    for (tile, values) in tiles.iter_mut().zip(values.as_chunks::<BLOCK>().0) {
                        tile.set(lane, values);
                    }
                },
            );
        })
    }

    /// The integers and scales of a matrix whose row `i` GGML stored as the bytes `row(i)`.
    pub(super) fn from_rows<'a>(outputs: usize, inputs: usize, row: impl Fn(usize) -> &'a [u8] + Sync) -> Result<Self> {
        Self::build(outputs, inputs, |index, lane, tiles| {
            for (tile, block) in tiles.iter_mut().zip(row(index).as_chunks::<STORED_BLOCK>().0) {
                tile.put(lane, f16::from_le_bytes([block[0], block[1]]), &std::array::from_fn(|i| block[2 + i] as i8));
            }
        })
    }

    /// `fill(row, lane, tiles)` sets the lane of a row of tiles.
    fn build(outputs: usize, inputs: usize, fill: impl Fn(usize, usize, &mut [Tile]) + Sync) -> Result<Self> {
        let blocks = inputs.div_ceil(BLOCK);
        let count = outputs.div_ceil(TILE) * blocks;
        let mut tiles = memory::reserved(count)?;
        tiles.resize(count, ZERO);
        tiles.par_chunks_mut(blocks).enumerate().for_each(|(index, tiles)| {
            (0..TILE.min(outputs - index * TILE)).for_each(|lane| fill(index * TILE + lane, lane, tiles));
        });
        Ok(Packed { outputs, inputs, blocks, tiles })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.tiles.len() * size_of::<Tile>()
    }

    /// The same numbers with rows and columns exchanged, quantized again along the other side.
    pub(super) fn transposed(&self) -> Result<Self> {
        Packed::quantize(self.inputs, self.outputs, |column, out| {
            let (block, i) = (column / BLOCK, column % BLOCK);
            for (output, value) in out.iter_mut().enumerate() {
                let tile = &self.tiles[output / TILE * self.blocks + block];
                let lane = output % TILE;
                *value = f32::from(tile.q[i / 4][lane][i % 4]) * tile.scale[lane].to_f32();
            }
        })
    }

    /// `x [rows, inputs]` times the transpose, `[rows, outputs]`, in integers.
    pub(super) fn product_i8(&self, kernel: Kernel, x: &[f32], rows: usize) -> Result<Buffer> {
        let quantized = kernel.quantize(x, rows, self.inputs, self.blocks);
        let mut y = buffers::take(rows * self.outputs)?;
        let out = Columns::of(&mut y, self.outputs);
        let row_tasks = rows.div_ceil(TASK_ROWS);
        let tile_rows = self.tiles.len() / self.blocks;
        (0..tile_rows * row_tasks).into_par_iter().for_each(|task| {
            let (tile_row, first) = (task / row_tasks, task % row_tasks * TASK_ROWS);
            let tiles = &self.tiles[tile_row * self.blocks..][..self.blocks];
            let width = TILE.min(self.outputs - tile_row * TILE);
            let end = rows.min(first + TASK_ROWS);
            kernel.product(tiles, &quantized, first..end, |row, values: &[f32; TILE]| {
                out.write(row, tile_row * TILE, width, &values[..width]);
            });
        });
        Ok(y)
    }
}

impl Rows for Packed {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        let tiles = &self.tiles[index / TILE * self.blocks..][..self.blocks];
        for (tile, out) in tiles.iter().zip(out.chunks_mut(BLOCK)) {
            tile.get(index % TILE, out);
        }
    }
}
