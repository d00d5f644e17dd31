//! The operand of products in AMX's tiles.

use super::bf16::round_pairs;
use super::buffers::{self, Buffer};
use super::simd::vectorized;
use crate::error::Result;
use rayon::prelude::*;

/// Rows of a tile, and pairs of one of its rows.
pub(crate) const TILE: usize = 16;

/// A matrix rounded to bf16 as tiles take it, so that each of them lies in one place: `[block of 16 rows][16 pairs][row][pair]`.
/// What the last row of tiles or the last column of them lacks is zero.
#[derive(Debug)]
pub(crate) struct Bf16Tiles {
    rows: usize,
    /// Tiles of a block of rows.
    tiles: usize,
    pairs: Buffer,
    /// Where they begin: at a line of the cache, so that no row of a tile lies in two.
    start: usize,
}

/// Pairs in a line of the cache.
const LINE: usize = 16;

impl Bf16Tiles {
    /// Rounds rows that are `cols` wide to nearest, ties to even.
    pub(crate) fn round(values: &[f32], cols: usize) -> Result<Self> {
        let (rows, tiles) = (values.len() / cols.max(1), cols.div_ceil(2 * TILE));
        let len = rows.div_ceil(TILE) * tiles * TILE * TILE;
        let mut pairs = buffers::take(len + LINE - 1)?;
        let start = pairs.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        let blocks = pairs[start..][..len].par_chunks_mut((tiles * TILE * TILE).max(1));
        let blocks = blocks.zip(values.par_chunks((TILE * cols).max(1)));
        blocks.for_each(|(block, values)| {
            for row in 0..TILE {
                let values = values.get(row * cols..(row + 1) * cols).unwrap_or_default();
                let places = block.as_chunks_mut::<TILE>().0.iter_mut().skip(row).step_by(TILE);
                vectorized(
                    #[inline(always)]
                    || {
                        for (index, place) in places.enumerate() {
                            match values.get(index * 2 * TILE..).and_then(|values| values.first_chunk::<{ 2 * TILE }>())
                            {
                                Some(values) => round_pairs(values, place),
                                None => {
                                    place.fill(0.0);
                                    round_pairs(values.get(index * 2 * TILE..).unwrap_or_default(), place);
                                }
                            }
                        }
                    },
                );
            }
        });
        Ok(Bf16Tiles { rows, tiles, pairs, start })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Tiles of a block of rows.
    pub(crate) fn tiles(&self) -> usize {
        self.tiles
    }

    /// The tiles, block after block.
    pub(crate) fn pairs(&self) -> &[f32] {
        &self.pairs[self.start..][..self.rows.div_ceil(TILE) * self.tiles * TILE * TILE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Bf16Matrix;
    use crate::tensor::testing::normal;

    #[test]
    fn it_has_the_pairs_of_the_rounded_matrix_and_zeros() {
        for (rows, cols) in [(1, 1), (16, 32), (17, 33), (40, 63), (5, 100), (33, 96)] {
            let matrix = normal(rows, cols, 1);
            let tiles = Bf16Tiles::round(matrix.slice().unwrap(), cols).unwrap();
            let (rounded, width) = (Bf16Matrix::of(&matrix).unwrap(), cols.div_ceil(2));
            assert_eq!((tiles.rows(), tiles.tiles()), (rows, cols.div_ceil(32)));
            for (index, pair) in tiles.pairs().iter().enumerate() {
                let (tile, place) = (index / (TILE * TILE), index % (TILE * TILE));
                let row = tile / tiles.tiles() * TILE + place / TILE;
                let at = tile % tiles.tiles() * TILE + place % TILE;
                let expected = if row < rows && at < width { rounded.pairs()[row * width + at] } else { 0.0 };
                assert_eq!(pair.to_bits(), expected.to_bits(), "{rows} × {cols}, row {row}, pair {at}");
            }
        }
    }
}
