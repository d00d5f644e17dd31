//! Keys and values of the tokens that sequences have read, in blocks that sequences take, share and give back.
//!
//! One pair of matrices a layer holds the blocks of all sequences; a table says which blocks are a sequence's, in the order
//! of its positions (Kwon et al. 2023, PagedAttention). Sequences that begin alike share blocks; who writes into a shared
//! block gets a copy.

use crate::error::{Code, Error, Result};
use crate::ops::rope::{self, Rotation};
use crate::tensor::{Device, Matrix, RowIndices};
use std::ops::Range;

/// Tokens of a block.
pub(crate) const BLOCK: usize = 64;

/// The keys and values of any number of sequences of one model.
#[derive(Debug)]
pub(crate) struct KvPool {
    /// `[blocks · BLOCK, kv_heads · head_dim]`, by layer.
    layers: Vec<LayerPool>,
    /// How many tables have each block.
    users: Vec<u32>,
    width: usize,
    /// Tokens beyond which a sequence has other rotations.
    beyond: usize,
    device: Device,
}

#[derive(Debug)]
struct LayerPool {
    k: Matrix,
    v: Matrix,
}

/// Where the keys and values of a batch go.
#[derive(Debug, Default)]
pub(super) struct Placements {
    runs: Vec<(Range<usize>, usize)>,
    /// The same row by row, on a card, for all layers: as an argument it would make each pass another.
    rows: Option<RowIndices>,
}

/// The blocks of one sequence. It must be given back to its pool, or its blocks stay taken as long as the pool lives.
#[derive(Debug, Default)]
pub(crate) struct BlockTable {
    blocks: Vec<usize>,
    len: usize,
    /// Tokens that the sequence was said to come to.
    reach: usize,
}

impl BlockTable {
    pub(super) fn reach(&self) -> usize {
        self.reach
    }

    /// Tokens held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes `tokens` that a pass has written count.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// The rows of the first `tokens` positions, neighbouring blocks as one run.
    pub(super) fn rows(&self, tokens: usize) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (index, block) in self.blocks.iter().take(tokens.div_ceil(BLOCK)).enumerate() {
            let start = block * BLOCK;
            let end = start + BLOCK.min(tokens - index * BLOCK);
            match runs.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => runs.push(start..end),
            }
        }
        runs
    }
}

impl KvPool {
    /// A pool of blocks for `tokens` of rows `width` wide.
    pub(super) fn new(num_layers: usize, tokens: usize, width: usize, beyond: usize, device: &Device) -> Result<Self> {
        let blocks = tokens.div_ceil(BLOCK);
        let matrix = || Matrix::zero_activations(blocks.saturating_mul(BLOCK), width, device);
        let layers =
            (0..num_layers).map(|_| Ok(LayerPool { k: matrix()?, v: matrix()? })).collect::<Result<Vec<_>>>()?;
        Ok(KvPool { layers, users: vec![0; blocks], width, beyond, device: device.clone() })
    }

    /// Rows that there is memory for.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> usize {
        self.users.len() * BLOCK
    }

    /// Whether `tokens` more of a sequence have blocks of their own.
    pub(crate) fn has_room(&self, table: &BlockTable, tokens: usize) -> bool {
        let written = table.len / BLOCK..(table.len + tokens).div_ceil(BLOCK);
        written.into_iter().all(|index| table.blocks.get(index).is_some_and(|block| self.users[*block] == 1))
    }

    /// Sees to blocks for `tokens` more of a sequence, and to blocks of its own where it will write.
    ///
    /// # Errors
    /// `OutOfMemory` if the pool cannot grow; the table is as it was.
    pub(crate) fn reserve(&mut self, table: &mut BlockTable, tokens: usize) -> Result<()> {
        let needed = (table.len + tokens).div_ceil(BLOCK);
        let shared = table.blocks.iter().skip(table.len / BLOCK).filter(|block| self.users[**block] > 1).count();
        let missing = needed.saturating_sub(table.blocks.len()) + shared;
        let free = self.users.iter().filter(|users| **users == 0).count();
        if missing > free {
            self.grow(missing - free)?;
        }
        for index in table.len / BLOCK..needed.max(table.blocks.len()) {
            match table.blocks.get(index).copied() {
                Some(block) if self.users[block] == 1 => {}
                Some(block) => {
                    let own = self.take(block)?;
                    // Behind the tokens that count, a block holds nothing.
                    if index * BLOCK < table.len {
                        self.copy(block, own)?;
                    }
                    self.users[block] -= 1;
                    table.blocks[index] = own;
                }
                None => {
                    let near = table.blocks.last().map_or(0, |last| last + 1);
                    table.blocks.push(self.take(near)?);
                }
            }
        }
        Ok(())
    }

    /// A free block, `near` if it is one, so that a sequence alone has neighbouring blocks.
    fn take(&mut self, near: usize) -> Result<usize> {
        let free = |users: &u32| *users == 0;
        let block = match self.users.get(near) {
            Some(0) => Some(near),
            _ => self.users.iter().position(free),
        };
        let block = block.ok_or_else(|| Error::new(Code::Internal, "a pool of keys and values has no free block"))?;
        self.users[block] = 1;
        Ok(block)
    }

    /// By so many blocks, or by half of what there is: what is held is copied.
    fn grow(&mut self, blocks: usize) -> Result<()> {
        let blocks = blocks.max(self.users.len() / 2);
        let rows = (self.users.len() + blocks) * BLOCK;
        for layer in &mut self.layers {
            for matrix in [&mut layer.k, &mut layer.v] {
                let mut larger = Matrix::zero_activations(rows, self.width, &self.device)?;
                larger.set_rows(0, matrix)?;
                *matrix = larger;
            }
        }
        self.users.resize(self.users.len() + blocks, 0);
        Ok(())
    }

    fn copy(&mut self, from: usize, to: usize) -> Result<()> {
        for layer in &mut self.layers {
            for matrix in [&mut layer.k, &mut layer.v] {
                let block = matrix.part(from * BLOCK..(from + 1) * BLOCK)?;
                matrix.set_rows(to * BLOCK, &block)?;
            }
        }
        Ok(())
    }

    /// A sequence that has read the same: the blocks are shared.
    pub(crate) fn fork(&mut self, table: &BlockTable) -> BlockTable {
        let blocks: Vec<usize> = table.blocks[..table.len.div_ceil(BLOCK)].to_vec();
        blocks.iter().for_each(|block| self.users[*block] += 1);
        BlockTable { blocks, len: table.len, reach: table.reach }
    }

    /// Makes ready for a sequence of up to `reach` tokens that begins with the first `shared` of those held; how many of
    /// them stand: the keys of a longer sequence may be rotated otherwise. The others are forgotten; their blocks stay.
    pub(crate) fn begin(&self, table: &mut BlockTable, shared: usize, reach: usize) -> usize {
        let same = (table.reach > self.beyond) == (reach > self.beyond);
        table.reach = reach;
        table.len = if same { table.len.min(shared) } else { 0 };
        table.len
    }

    /// Gives a sequence's blocks back.
    pub(crate) fn release(&mut self, table: &mut BlockTable) {
        for block in table.blocks.drain(..) {
            self.users[block] -= 1;
        }
        table.len = 0;
        self.shrink();
    }

    /// Gives the memory back that no sequence has.
    fn shrink(&mut self) {
        if self.users.iter().any(|users| *users > 0) {
            return;
        }
        let empty = || Matrix::zero_activations(0, self.width, &self.device);
        let layers: Result<Vec<_>> = self.layers.iter().map(|_| Ok(LayerPool { k: empty()?, v: empty()? })).collect();
        if let Ok(layers) = layers {
            self.layers = layers;
            self.users.clear();
        }
    }

    /// Rotates the queries and keys of a batch's rows, and stores keys and values: the queries, and all that the pool holds of
    /// the layer.
    pub(super) fn rotate_and_store(
        &mut self,
        layer: usize,
        rotation: Option<&Rotation>,
        [mut q, mut k, mut v]: [Matrix; 3],
        placements: &Placements,
    ) -> Result<(Matrix, &Matrix, &Matrix)> {
        if let (Some(rotation), Some(places)) = (rotation, &placements.rows) {
            let LayerPool { k: all_k, v: all_v } = &mut self.layers[layer];
            rotation.store([&mut q, &mut k, &mut v], places, [&mut *all_k, &mut *all_v])?;
            return Ok((q, all_k, all_v));
        }
        let (q, k) = rope::rotated(rotation, q, k)?;
        let (all_k, all_v) = self.store(layer, &k, &v, placements)?;
        Ok((q, all_k, all_v))
    }

    /// Stores the keys and values of a batch's rows, and gives all that the pool holds of the layer.
    fn store(&mut self, layer: usize, k: &Matrix, v: &Matrix, placements: &Placements) -> Result<(&Matrix, &Matrix)> {
        let pool = &mut self.layers[layer];
        if let Some(rows) = &placements.rows {
            pool.k.put_rows(rows, k)?;
            pool.v.put_rows(rows, v)?;
            return Ok((&pool.k, &pool.v));
        }
        for (rows, at) in &placements.runs {
            if rows.len() == k.rows() {
                pool.k.set_rows(*at, k)?;
                pool.v.set_rows(*at, v)?;
            } else {
                pool.k.set_rows(*at, &k.part(rows.clone())?)?;
                pool.v.set_rows(*at, &v.part(rows.clone())?)?;
            }
        }
        Ok((&pool.k, &pool.v))
    }
}

impl Placements {
    /// `runs` of a batch of so many tokens: rows of it, and the row of the pool that the first of them takes.
    pub(super) fn new(runs: Vec<(Range<usize>, usize)>, tokens: usize, device: &Device) -> Result<Self> {
        let placed: usize = runs.iter().map(|(rows, _)| rows.len()).sum();
        let rows = match device.gpu() {
            Some(gpu) if placed == tokens && placed > 0 => {
                let mut places = vec![0; placed];
                for (rows, at) in &runs {
                    rows.clone().zip(*at..).for_each(|(row, place)| places[row] = place as u32);
                }
                Some(RowIndices::new(gpu, &places)?)
            }
            _ => None,
        };
        Ok(Placements { runs, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: f32) -> Matrix {
        Matrix::new(1, 2, vec![value; 2], &Device::host()).unwrap()
    }

    /// Writes a token whose keys and values are `value`.
    fn write(pool: &mut KvPool, table: &mut BlockTable, value: f32) {
        pool.reserve(table, 1).unwrap();
        let row = table.rows(table.len() + 1).last().unwrap().end - 1;
        let placements = Placements::new(vec![(0..1, row)], 1, &Device::host()).unwrap();
        pool.store(0, &rows(value), &rows(-value), &placements).unwrap();
        table.advance(1);
    }

    fn read(pool: &mut KvPool, table: &BlockTable) -> Vec<f32> {
        let (k, _) = pool.store(0, &rows(0.0), &rows(0.0), &Placements::default()).unwrap();
        table.rows(table.len()).into_iter().flatten().map(|row| k.values().unwrap()[2 * row]).collect()
    }

    #[test]
    fn sequences_share_what_neither_writes() {
        let mut pool = KvPool::new(1, 2 * BLOCK, 2, usize::MAX, &Device::host()).unwrap();
        let mut one = BlockTable::default();
        (0..BLOCK + 3).for_each(|token| write(&mut pool, &mut one, token as f32));
        assert_eq!(one.rows(one.len()), [0..BLOCK + 3], "a sequence alone has neighbouring blocks");
        let mut two = pool.fork(&one);
        assert_eq!(pool.users, [2, 2]);
        write(&mut pool, &mut two, 100.0);
        write(&mut pool, &mut one, 200.0);
        assert_eq!(pool.users, [2, 1, 1], "the block that both would write is copied, the one before it is not");
        assert_eq!(read(&mut pool, &two)[BLOCK..], [64.0, 65.0, 66.0, 100.0]);
        assert_eq!(read(&mut pool, &one)[BLOCK..], [64.0, 65.0, 66.0, 200.0]);
        assert_eq!(read(&mut pool, &one)[..BLOCK], read(&mut pool, &two)[..BLOCK]);
        pool.release(&mut one);
        assert_eq!((pool.users.clone(), one.len()), (vec![1, 0, 1], 0));
        let mut three = BlockTable::default();
        write(&mut pool, &mut three, 7.0);
        assert_eq!(pool.users, [1, 1, 1], "blocks that were given back are taken again");
    }

    #[test]
    fn what_is_forgotten_is_written_over() {
        let mut pool = KvPool::new(1, 0, 2, 8, &Device::host()).unwrap();
        let mut table = BlockTable::default();
        (0..5).for_each(|token| write(&mut pool, &mut table, token as f32));
        pool.begin(&mut table, 2, 8);
        write(&mut pool, &mut table, 9.0);
        assert_eq!(read(&mut pool, &table), [0.0, 1.0, 9.0]);
        assert!(pool.has_room(&table, BLOCK - 3) && !pool.has_room(&table, BLOCK - 2));
    }

    #[test]
    fn what_is_rotated_otherwise_is_read_again() {
        let pool = KvPool::new(1, 0, 2, 8, &Device::host()).unwrap();
        let mut table = BlockTable { len: 5, reach: 6, ..BlockTable::default() };
        assert_eq!(pool.begin(&mut table, 4, 8), 4);
        assert_eq!(pool.begin(&mut table, 4, 9), 0);
        table.len = 5;
        assert_eq!(pool.begin(&mut table, 4, 20), 4);
    }
}
