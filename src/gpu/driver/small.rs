//! Small pieces of memory, kept for the next to ask for their size: a token's activations are some hundreds of them, and the
//! driver would take longer over each than a kernel runs. One stream does all work, so who gets a piece comes after whoever
//! had it.

use std::sync::{Mutex, PoisonError};

/// The smallest size, which is what the driver aligns to, and the largest that is kept, as powers of two.
const SMALLEST: u32 = 8;
const LARGEST: u32 = 20;

/// The free pieces, by size.
#[derive(Default)]
pub(super) struct Small(Mutex<[Vec<u64>; (LARGEST - SMALLEST + 1) as usize]>);

impl Small {
    /// The size of the piece that so many bytes lie in, if it is kept.
    pub(super) fn size(bytes: usize) -> Option<usize> {
        Self::class(bytes).map(|class| 1 << (class + SMALLEST as usize))
    }

    fn class(bytes: usize) -> Option<usize> {
        let power = bytes.next_power_of_two().trailing_zeros().max(SMALLEST);
        (bytes <= 1 << LARGEST).then(|| (power - SMALLEST) as usize)
    }

    pub(super) fn take(&self, bytes: usize) -> Option<u64> {
        let class = Self::class(bytes)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(class)?.pop()
    }

    /// Whether it is kept.
    pub(super) fn give_back(&self, address: u64, bytes: usize) -> bool {
        let Some(class) = Self::class(bytes) else { return false };
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(class) {
            Some(free) => free.push(address),
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_comes_back_to_who_asks_for_its_size() {
        let small = Small::default();
        assert_eq!([1, 256, 257, 1 << 20].map(Small::size), [256, 256, 512, 1 << 20].map(Some));
        assert_eq!((Small::size((1 << 20) + 1), small.give_back(1, 1 << 21)), (None, false));
        assert!(small.give_back(77, 300));
        assert_eq!([small.take(200), small.take(512), small.take(512)], [None, Some(77), None]);
    }
}
