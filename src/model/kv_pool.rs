//! Keys and values of the tokens that sequences have read, in blocks that sequences take, share and give back.
//!
//! One pair of matrices a layer holds the blocks of all sequences; a table says which blocks are a sequence's, in the order
//! of its positions (Kwon et al. 2023, PagedAttention). Sequences that begin alike share blocks; who writes into a shared
//! block gets a copy. Blocks with the beginnings of prompts stay for prompts to come.

use super::kv_form::KvForm;
use super::prefixes::Prefixes;
use crate::error::{Code, Error, Result};
use crate::ops::attention::KeysValues;
use crate::ops::rope::{self, Rotation};
use crate::tensor::{Device, Matrix, RowIndices};
use std::ops::Range;

/// Tokens of a block.
pub(crate) const BLOCK: usize = 64;
/// Blocks that are kept for prompts to come: 4096 tokens.
const KNOWN: usize = 4096 / BLOCK;

/// The keys and values of any number of sequences of one model.
#[derive(Debug)]
pub(crate) struct KvPool {
    /// `[blocks · BLOCK, kv_heads · head_dim]`, by layer.
    layers: Vec<KeysValues>,
    /// How many tables have each block; what is known as a beginning has one user more.
    pub(super) users: Vec<u32>,
    pub(super) prefixes: Prefixes,
    form: KvForm,
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
    pub(super) blocks: Vec<usize>,
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

    /// That of the last token held.
    pub(super) fn last_block(&self) -> Option<usize> {
        self.blocks[..self.len.div_ceil(BLOCK)].last().copied()
    }

    /// Makes `tokens` that a pass has written count.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Makes the last `tokens` count no more.
    pub(crate) fn forget_last(&mut self, tokens: usize) {
        self.len = self.len.saturating_sub(tokens);
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
    /// A pool of blocks for `tokens`.
    pub(super) fn new(form: KvForm, tokens: usize) -> Result<Self> {
        let blocks = tokens.div_ceil(BLOCK);
        let layers = (0..form.layers).map(|_| form.zeros(blocks.saturating_mul(BLOCK))).collect::<Result<Vec<_>>>()?;
        Ok(KvPool { layers, users: vec![0; blocks], prefixes: Prefixes::new(KNOWN), form })
    }

    /// What is kept of each token.
    pub(super) fn form(&self) -> &KvForm {
        &self.form
    }

    /// Tokens beyond which a sequence has other rotations.
    pub(super) fn beyond(&self) -> usize {
        self.form.beyond
    }

    /// Rows of beginnings that are known.
    #[cfg(test)]
    pub(crate) fn known_rows(&self) -> usize {
        self.prefixes.len() * BLOCK
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
        loop {
            let shared = table.blocks.iter().skip(table.len / BLOCK).filter(|block| self.users[**block] > 1).count();
            let missing = needed.saturating_sub(table.blocks.len()) + shared;
            let free = self.users.iter().filter(|users| **users == 0).count();
            if missing <= free {
                break;
            }
            match self.grow(missing - free) {
                Err(err) if self.prefixes.len() == 0 => return Err(err),
                // Memory is wanted more than what might be of use again.
                Err(_) => self.forget_known(),
                Ok(()) => {}
            }
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

    /// By so many blocks, or as many as there are: what is held is copied, and the allocator may keep what it was copied from.
    fn grow(&mut self, blocks: usize) -> Result<()> {
        let now = self.users.len();
        let blocks = now + blocks.max(now);
        for layer in &mut self.layers {
            let mut larger = self.form.zeros(blocks.saturating_mul(BLOCK))?;
            larger.copy_rows(0, layer, 0..now * BLOCK)?;
            *layer = larger;
        }
        self.users.resize(blocks, 0);
        Ok(())
    }

    fn copy(&mut self, from: usize, to: usize) -> Result<()> {
        self.layers.iter_mut().try_for_each(|layer| layer.move_rows(to * BLOCK, from * BLOCK..(from + 1) * BLOCK))
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
        let same = (table.reach > self.beyond()) == (reach > self.beyond());
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

    /// Gives the memory back that no sequence has, once it is more than what is kept for prompts to come.
    fn shrink(&mut self) {
        let known = self.prefixes.len();
        if self.users.iter().sum::<u32>() as usize > known || self.users.len() <= 2 * known {
            return;
        }
        let held = self.prefixes.sorted();
        let of_known = |layer: &KeysValues| -> Result<KeysValues> {
            let mut smaller = self.form.zeros(held.len() * BLOCK)?;
            for (place, block) in held.iter().enumerate() {
                smaller.copy_rows(place * BLOCK, layer, block * BLOCK..(block + 1) * BLOCK)?;
            }
            Ok(smaller)
        };
        let layers: Result<Vec<_>> = self.layers.iter().map(of_known).collect();
        if let Ok(layers) = layers {
            self.layers = layers;
            self.users = vec![1; held.len()];
            self.prefixes.renumber(&held);
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
    ) -> Result<(Matrix, &KeysValues)> {
        if let (Some(rotation), Some(places)) = (rotation, &placements.rows)
            && let KeysValues::Activations([all_k, all_v]) = &mut self.layers[layer]
        {
            rotation.store([&mut q, &mut k, &mut v], places, [all_k, all_v])?;
            return Ok((q, &self.layers[layer]));
        }
        let (q, k) = rope::rotated(rotation, q, k)?;
        Ok((q, self.store(layer, [&k, &v], placements)?))
    }

    /// Stores the keys and values of a batch's rows, and gives all that the pool holds of the layer.
    fn store(&mut self, layer: usize, kv: [&Matrix; 2], placements: &Placements) -> Result<&KeysValues> {
        let all = &mut self.layers[layer];
        match (&placements.rows, &mut *all) {
            (Some(places), KeysValues::Activations(all)) => {
                all.iter_mut().zip(kv).try_for_each(|(all, rows)| all.put_rows(places, rows))?;
            }
            _ => placements.runs.iter().try_for_each(|(rows, at)| all.set_rows(*at, kv, rows.clone()))?,
        }
        Ok(all)
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
#[path = "kv_pool_tests.rs"]
mod tests;
