//! Memory of one recording, which no one else gets as long as the recording or an array in it lives.

use super::Backend;
use crate::error::Result;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// As the driver aligns memory.
pub(super) const ALIGNMENT: usize = 256;
/// Bytes up to which a piece has a power of two of them, and the unit of larger ones.
const LARGE: usize = 1 << 20;

pub(super) struct Arena {
    card: Arc<dyn Backend>,
    inputs: u64,
    pieces: Mutex<Pieces>,
}

#[derive(Default)]
struct Pieces {
    /// All that was taken from the card, with the room of each.
    all: Vec<(u64, usize)>,
    /// Those that are free, by their room.
    free: HashMap<usize, Vec<u64>>,
}

/// An array's part of an arena, which it keeps.
pub(super) struct Lease {
    pub(super) _arena: Arc<Arena>,
    /// The repetition that took it.
    pub(super) run: u64,
}

impl Arena {
    /// Bytes that may come from host memory.
    pub(super) const INPUTS: usize = 1 << 18;

    pub(super) fn new(card: &Arc<dyn Backend>) -> Result<Self> {
        Ok(Arena { card: card.clone(), inputs: card.take(Self::INPUTS)?, pieces: Mutex::default() })
    }

    /// Where what comes from host memory lies.
    pub(super) fn inputs(&self) -> u64 {
        self.inputs
    }

    pub(super) fn is_input(&self, address: u64) -> bool {
        (self.inputs..self.inputs + Self::INPUTS as u64).contains(&address)
    }

    /// The room of a piece that so many bytes lie in.
    pub(super) fn room(bytes: usize) -> usize {
        match bytes <= LARGE {
            true => bytes.next_power_of_two().max(ALIGNMENT),
            false => bytes.checked_next_multiple_of(LARGE).unwrap_or(bytes),
        }
    }

    /// A piece, with anything in it.
    pub(super) fn take(&self, room: usize) -> Result<u64> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = pieces.free.get_mut(&room).and_then(Vec::pop) {
            return Ok(address);
        }
        let address = self.card.take(room)?;
        pieces.all.push((address, room));
        Ok(address)
    }

    /// Gives a piece to who asks for its room next.
    pub(super) fn give_back(&self, address: u64, room: usize) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.free.entry(room).or_default().push(address);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let pieces = std::mem::take(self.pieces.get_mut().unwrap_or_else(PoisonError::into_inner));
        for (address, room) in pieces.all.into_iter().chain([(self.inputs, Self::INPUTS)]) {
            self.card.give_back(address, room);
        }
    }
}
