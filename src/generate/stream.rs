//! One generation as a machine that is asked for its next piece of text.

use super::context::Context;
use super::engine::{Engine, Slot};
use super::generation::{Generation, Usage};
use crate::control::Cancel;
use crate::error::Result;

/// A text being generated. Independent of the session that opened it: the session may be used, changed or dropped.
pub struct Stream {
    engine: Engine,
    slot: Slot,
}

impl Stream {
    pub(super) fn new(engine: Engine, slot: Slot) -> Self {
        Stream { engine, slot }
    }

    /// The next piece of text, whole characters that are certain to stay; `None` at the end, also when `cancel` made
    /// it the end.
    pub fn next(&mut self, cancel: &Cancel) -> Result<Option<String>> {
        while !self.slot.is_finished() {
            let step = match cancel.check() {
                Ok(()) => self.engine.step_one(&mut self.slot)?,
                Err(_) => self.slot.sequence.cancel(),
            };
            if !step.text.is_empty() {
                return Ok(Some(step.text));
            }
        }
        Ok(None)
    }

    /// Ends the text here, as a request to stop would.
    pub fn cancel(&mut self) {
        self.slot.sequence.cut();
    }

    /// The text so far; `Cancelled` as its finish reason if it has not ended by itself.
    pub fn summary(&self) -> Generation {
        self.slot.sequence.summary()
    }

    /// The tokens read and written so far.
    pub fn usage(&self) -> Usage {
        self.slot.sequence.usage()
    }

    pub(super) fn into_context(self) -> Context {
        self.slot.into_context()
    }
}
