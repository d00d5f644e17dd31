//! A matrix of tiles, and its products in integers.

use super::super::dequantized::Rows;
use super::kernel::product;
use super::tile::{OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::{amx, kernel::product_in_tiles};
use crate::error::Result;
#[cfg(target_arch = "x86_64")]
use crate::weights::amx::TILE_ROWS;
use crate::weights::eight_bits::{Activations, Order};
use crate::weights::kernel::{Kernel, ROWS};
use crate::weights::memory::Elements;
use crate::weights::panel_product::{PanelProduct, Sums};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of activations whose products one task makes.
const TASK_ROWS: usize = 24 * ROWS;
/// The same where AMX multiplies them: weights are written anew for each task. A multiple of its blocks, too.
const AMX_ROWS: usize = 88 * ROWS;

/// A quantized matrix `[outputs, inputs]`.
pub(super) struct Tiles<T> {
    outputs: usize,
    inputs: usize,
    /// Spans of inputs per row.
    spans: usize,
    /// Row of tiles after row of tiles.
    tiles: Elements<T>,
}

impl<T: Tile> Tiles<T> {
    /// A matrix whose outputs are set by `fill(output, lane, its row of tiles)`.
    pub(super) fn build(outputs: usize, inputs: usize, fill: impl Fn(usize, usize, &mut [T]) + Sync) -> Result<Self> {
        let spans = inputs.div_ceil(T::SPAN);
        // SAFETY: zeros are tiles.
        let mut tiles: Elements<T> = unsafe { Elements::zeroed(outputs.div_ceil(OUTPUTS) * spans)? };
        tiles.par_chunks_mut(spans).enumerate().for_each(|(index, tiles)| {
            let first = index * OUTPUTS;
            (first..outputs.min(first + OUTPUTS)).for_each(|output| fill(output, output - first, tiles));
        });
        Ok(Tiles { outputs, inputs, spans, tiles })
    }

    /// Quantizes a matrix whose row `i` is written by `row(i, buffer)`.
    pub(super) fn quantize(outputs: usize, inputs: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Result<Self> {
        Self::build(outputs, inputs, |output, lane, tiles| {
            let mut values = vec![0.0f32; inputs];
            row(output, &mut values);
            for (tile, values) in tiles.iter_mut().zip(values.chunks(T::SPAN)) {
                tile.quantize(lane, values);
            }
        })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.tiles.len() * size_of::<T>()
    }

    /// One column, dequantized.
    pub(super) fn column(&self, input: usize, out: &mut [f32]) {
        for (output, value) in out.iter_mut().enumerate() {
            let tile = &self.tiles[output / OUTPUTS * self.spans + input / T::SPAN];
            *value = tile.value(output % OUTPUTS, input % T::SPAN);
        }
    }

    /// The product with `x [rows, inputs]`, in integers.
    pub(super) fn times<'a>(&'a self, kernel: Kernel, x: &'a Activations) -> impl PanelProduct + 'a {
        TilesTimes { tiles: self, kernel, x }
    }
}

/// Tiles and what they are multiplied with.
struct TilesTimes<'a, T> {
    tiles: &'a Tiles<T>,
    kernel: Kernel,
    x: &'a Activations,
}

impl<T: Tile> PanelProduct for TilesTimes<'_, T> {
    fn outputs(&self) -> usize {
        self.tiles.outputs
    }

    fn panel_bytes(&self) -> usize {
        self.tiles.spans * size_of::<T>()
    }

    fn task_rows(&self) -> usize {
        match self.x.order() {
            Order::Vectors => TASK_ROWS,
            #[cfg(target_arch = "x86_64")]
            Order::Tiles => AMX_ROWS,
        }
    }

    fn make(&self, panel: usize, rows: Range<usize>, done: &mut dyn FnMut(usize, &mut Sums)) {
        let spans = self.tiles.spans;
        let tiles = &self.tiles.tiles[panel * spans..][..spans];
        #[cfg(target_arch = "x86_64")]
        if self.x.order() == Order::Tiles {
            let (mut few, mut many);
            let sums = if rows.len() <= TILE_ROWS {
                few = [const { amx::Sums::uninit() }; TILE_ROWS];
                &mut few[..rows.len()]
            } else {
                many = Vec::with_capacity(rows.len());
                &mut many.spare_capacity_mut()[..rows.len()]
            };
            let sums = product_in_tiles(self.kernel, tiles, self.x, rows.start, sums);
            return rows.step_by(ROWS).zip(sums.chunks_mut(ROWS)).for_each(|(first, sums)| done(first, sums));
        }
        let mut sums = [[0.0f32; OUTPUTS]; ROWS];
        for row in rows.clone().step_by(ROWS) {
            let sums = &mut sums[..ROWS.min(rows.end - row)];
            product(self.kernel, tiles, self.x, row, sums);
            done(row, sums);
        }
    }
}

impl<T: Tile> Rows for Tiles<T> {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        let tiles = &self.tiles[index / OUTPUTS * self.spans..][..self.spans];
        for (tile, out) in tiles.iter().zip(out.chunks_mut(T::SPAN)) {
            tile.dequantize(index % OUTPUTS, out);
        }
    }
}

impl<T: Tile> std::fmt::Debug for Tiles<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} × {})", T::TYPE.name, self.outputs, self.inputs)
    }
}
