//! Pieces of memory that are kept for the next to ask for their size. Small ones: a token's activations are some hundreds of
//! them, and the driver would take longer over each than a kernel runs. And those of the size [`SCRATCH`], which come and go
//! with every product of a quantized weight: if the driver had them back each time, what is to stay would settle in their
//! place, and memory would be full of rooms too small for the next. One stream does all work, so who gets a piece comes after
//! whoever had it.

use super::super::SCRATCH;
use std::sync::{Mutex, PoisonError};

/// The smallest size, which is what the driver aligns to, and the largest of the small ones, as powers of two.
const SMALLEST: u32 = 8;
const LARGEST: u32 = 20;
/// Sizes from one power of two to the next: a piece is at most a quarter larger than what was asked for.
const STEPS: usize = 4;
/// The class of [`SCRATCH`], behind the small ones.
const OF_SCRATCH: usize = (LARGEST - SMALLEST) as usize * STEPS + 1;

/// The free pieces, by class.
pub(super) struct Small(Mutex<[Vec<u64>; OF_SCRATCH + 1]>);

impl Default for Small {
    fn default() -> Self {
        Small(Mutex::new([const { Vec::new() }; OF_SCRATCH + 1]))
    }
}

impl Small {
    /// The size of the piece that so many bytes lie in, if it is kept.
    pub(super) fn size(bytes: usize) -> Option<usize> {
        Self::class(bytes).map(|(size, _)| size)
    }

    /// The size of the piece, and its class.
    fn class(bytes: usize) -> Option<(usize, usize)> {
        if bytes == SCRATCH {
            return Some((SCRATCH, OF_SCRATCH));
        }
        if bytes > 1 << LARGEST {
            return None;
        }
        let power = bytes.next_power_of_two().max(1 << SMALLEST);
        let step = power / (2 * STEPS);
        // More than half of the power of two, but for the smallest.
        let steps = bytes.div_ceil(step).max(if power == 1 << SMALLEST { 2 * STEPS } else { STEPS + 1 });
        let class = (power.trailing_zeros() - SMALLEST) as usize * STEPS + steps - 2 * STEPS;
        Some((steps * step, class))
    }

    pub(super) fn take(&self, bytes: usize) -> Option<u64> {
        let (_, class) = Self::class(bytes)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(class)?.pop()
    }

    /// Whether it is kept.
    pub(super) fn give_back(&self, address: u64, bytes: usize) -> bool {
        let Some((_, class)) = Self::class(bytes) else { return false };
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
    use std::collections::BTreeMap;

    #[test]
    fn a_piece_comes_back_to_who_asks_for_its_size() {
        let small = Small::default();
        let sizes = [1, 256, 257, 321, 606_208, 1 << 20, SCRATCH].map(Small::size);
        assert_eq!(sizes, [256, 256, 320, 384, 655_360, 1 << 20, SCRATCH].map(Some));
        assert_eq!((Small::size((1 << 20) + 1), small.give_back(1, 1 << 21)), (None, false));
        assert!(small.give_back(77, 300));
        assert_eq!([small.take(200), small.take(512), small.take(310)], [None, None, Some(77)]);
    }

    #[test]
    fn every_size_has_a_class_of_its_own() {
        let mut sizes = BTreeMap::new();
        for bytes in (1..=1 << 20).step_by(61).chain([1 << 20, SCRATCH]) {
            let (size, class) = Small::class(bytes).unwrap();
            assert!(size >= bytes && size <= (bytes + bytes / 4).max(256), "{bytes}: {size}");
            assert_eq!(*sizes.entry(class).or_insert(size), size);
        }
        assert_eq!(sizes.into_keys().collect::<Vec<_>>(), (0..=OF_SCRATCH).collect::<Vec<_>>());
    }
}
