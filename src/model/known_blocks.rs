//! What prompts of different sequences have in common: blocks of a pool that are found again and shared.

use super::kv_pool::{BLOCK, BlockTable, KvPool};
use super::prefixes::{Beginning, ReadUnder};
use super::sites::LoraStack;

impl KvPool {
    /// The whole blocks of the `tokens` that follow those held, as far as they were read before under `stack`.
    pub(crate) fn known(&mut self, table: &BlockTable, stack: &LoraStack, tokens: &[u32]) -> Vec<usize> {
        let mut known: Vec<usize> = Vec::new();
        let Some((under, mut after)) = self.place(table, stack) else { return known };
        for tokens in tokens.chunks_exact(BLOCK) {
            let Some(block) = self.prefixes.find(&Beginning { under, after, tokens: tokens.into() }) else { break };
            known.push(block);
            after = Some(block);
        }
        known
    }

    /// Has a sequence share the blocks that are known to follow; how many tokens they hold, which are to be made count.
    pub(crate) fn adopt(&mut self, table: &mut BlockTable, known: &[usize]) -> usize {
        for (index, block) in (table.len() / BLOCK..).zip(known) {
            self.users[*block] += 1;
            match table.blocks.get_mut(index) {
                None => table.blocks.push(*block),
                Some(own) => self.users[std::mem::replace(own, *block)] -= 1,
            }
        }
        known.len() * BLOCK
    }

    /// Keeps the whole blocks of `tokens` of a prompt, which follow those held and were read, for prompts that begin alike.
    pub(super) fn remember(&mut self, table: &mut BlockTable, stack: &LoraStack, tokens: &[u32]) {
        let Some((under, mut after)) = self.place(table, stack) else { return };
        let first = table.len() / BLOCK;
        if first + tokens.len() / BLOCK > self.prefixes.most() {
            return;
        }
        for (index, tokens) in (first..).zip(tokens.chunks_exact(BLOCK)) {
            let beginning = Beginning { under, after, tokens: tokens.into() };
            // If someone else has read the same meanwhile, one of the two is enough.
            let block = table.blocks[index];
            let known = self.prefixes.find(&beginning);
            if let Some(known) = known {
                self.users[known] += 1;
                self.users[block] -= 1;
                table.blocks[index] = known;
            } else {
                self.users[block] += 1;
                let gone = self.prefixes.keep(beginning, block);
                gone.into_iter().for_each(|gone| self.users[gone] -= 1);
            }
            after = Some(table.blocks[index]);
        }
    }

    /// Gives the blocks of all that is known back.
    pub(super) fn forget_known(&mut self) {
        self.prefixes.clear().into_iter().for_each(|block| self.users[block] -= 1);
    }

    /// What the next block of a sequence is read under, and after which one. `None`: nothing is known of what follows.
    fn place(&self, table: &BlockTable, stack: &LoraStack) -> Option<(ReadUnder, Option<usize>)> {
        let under = ReadUnder { stack: stack.identity()?, is_long: table.reach() > self.beyond() };
        let after = table.last_block();
        let is_known = after.is_none_or(|block| self.prefixes.knows(block));
        (table.len().is_multiple_of(BLOCK) && is_known).then_some((under, after))
    }
}
