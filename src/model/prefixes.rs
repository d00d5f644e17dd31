//! Which blocks of a pool hold how prompts begin, so that a prompt that begins as one before it is not read again.
//!
//! A beginning is known by its tokens, by what they were read under, and by the block before it: a tree whose edges are
//! whole blocks. Bounded; the one that was looked for least lately is forgotten first, and always before what it follows.

use std::cmp::Reverse;
use std::collections::HashMap;

/// What keys and values depend on besides the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ReadUnder {
    /// The identity of the stack of adapters.
    pub(super) stack: [u8; 32],
    /// Whether the sequence is one of those that are rotated otherwise.
    pub(super) is_long: bool,
}

/// The tokens of a block, in their place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Beginning {
    pub(super) under: ReadUnder,
    /// The block before it, if it is not the first.
    pub(super) after: Option<usize>,
    pub(super) tokens: Box<[u32]>,
}

/// The beginnings that are known.
#[derive(Debug)]
pub(super) struct Prefixes {
    /// Most blocks.
    most: usize,
    blocks: HashMap<Beginning, usize>,
    known: HashMap<usize, Known>,
    /// Counts what is looked for.
    clock: u64,
}

#[derive(Debug)]
struct Known {
    beginning: Beginning,
    /// Blocks before it.
    depth: usize,
    /// When it or what follows it was looked for last.
    used: u64,
}

impl Prefixes {
    /// Keeps at most so many blocks.
    pub(super) fn new(most: usize) -> Self {
        Prefixes { most, blocks: HashMap::new(), known: HashMap::new(), clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn knows(&self, block: usize) -> bool {
        self.known.contains_key(&block)
    }

    /// The block that holds it.
    pub(super) fn find(&mut self, beginning: &Beginning) -> Option<usize> {
        let block = *self.blocks.get(beginning)?;
        self.use_now(Some(block));
        Some(block)
    }

    /// Most blocks, and so the most of one prompt.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Keeps a block that is not known, and with those that it follows, which are, one of at most [`Prefixes::most`]. The block
    /// that is forgotten for it.
    pub(super) fn keep(&mut self, beginning: Beginning, block: usize) -> Option<usize> {
        self.use_now(beginning.after);
        let age = |(_, known): &(&usize, &Known)| (known.used, Reverse(known.depth));
        let is_full = self.known.len() >= self.most;
        let oldest = self.known.iter().filter(|_| is_full).min_by_key(age).map(|(block, _)| *block);
        oldest.into_iter().for_each(|block| self.forget(block));
        let depth = beginning.after.and_then(|after| self.known.get(&after)).map_or(0, |known| known.depth + 1);
        self.blocks.insert(beginning.clone(), block);
        self.known.insert(block, Known { beginning, depth, used: self.clock });
        oldest
    }

    /// Forgets all; the blocks.
    pub(super) fn clear(&mut self) -> Vec<usize> {
        self.blocks.clear();
        self.known.drain().map(|(block, _)| block).collect()
    }

    /// Every block, in order.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let mut blocks: Vec<usize> = self.known.keys().copied().collect();
        blocks.sort_unstable();
        blocks
    }

    /// Gives each block the number of its place in `order`.
    pub(super) fn renumber(&mut self, order: &[usize]) {
        let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, block)| (*block, place)).collect();
        self.blocks.clear();
        for (block, mut known) in std::mem::take(&mut self.known) {
            known.beginning.after = known.beginning.after.map(|after| places[&after]);
            self.blocks.insert(known.beginning.clone(), places[&block]);
            self.known.insert(places[&block], known);
        }
    }

    fn use_now(&mut self, mut block: Option<usize>) {
        self.clock += 1;
        while let Some(known) = block.and_then(|block| self.known.get_mut(&block)) {
            known.used = self.clock;
            block = known.beginning.after;
        }
    }

    fn forget(&mut self, block: usize) {
        if let Some(known) = self.known.remove(&block) {
            self.blocks.remove(&known.beginning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 9;

    fn beginning(after: Option<usize>, token: u32) -> Beginning {
        Beginning { under: ReadUnder { stack: [0; 32], is_long: false }, after, tokens: [token; 3].into() }
    }

    #[test]
    fn what_was_looked_for_least_lately_goes_first_and_before_what_it_follows() {
        let mut prefixes = Prefixes::new(MOST);
        // Two prompts that begin alike: 0 → 1, 0 → 2; and others that fill the rest.
        assert_eq!(prefixes.keep(beginning(None, 7), 0), None);
        assert_eq!(prefixes.keep(beginning(Some(0), 8), 1), None);
        assert_eq!(prefixes.keep(beginning(Some(0), 9), 2), None);
        let mut keep = |block: usize| prefixes.keep(beginning(None, 100 + block as u32), block);
        assert!((3..MOST).all(|block| keep(block).is_none()));
        assert_eq!((prefixes.len(), prefixes.find(&beginning(Some(0), 8))), (MOST, Some(1)));
        let mut keep = |block: usize| prefixes.keep(beginning(None, 100 + block as u32), block);
        let gone: Vec<_> = (MOST..2 * MOST).filter_map(&mut keep).collect();
        assert_eq!(gone, [vec![2], (3..MOST).collect(), vec![1, 0]].concat());
        assert_eq!((prefixes.find(&beginning(None, 7)), prefixes.knows(0)), (None, false));
    }

    #[test]
    fn a_prompt_may_have_all() {
        let mut prefixes = Prefixes::new(MOST);
        prefixes.keep(beginning(None, 100), 100);
        for block in 0..MOST {
            let gone = prefixes.keep(beginning(block.checked_sub(1), block as u32), block);
            assert_eq!(gone, (block + 1 == MOST).then_some(100));
        }
        prefixes.renumber(&(0..MOST).rev().collect::<Vec<_>>());
        assert_eq!(prefixes.find(&beginning(None, 0)), Some(MOST - 1));
        assert_eq!(prefixes.find(&beginning(Some(MOST - 1), 1)), Some(MOST - 2));
        assert_eq!(prefixes.sorted(), (0..MOST).collect::<Vec<_>>());
        assert_eq!(prefixes.clear().len(), MOST);
        assert_eq!((prefixes.len(), prefixes.find(&beginning(None, 0))), (0, None));
    }
}
