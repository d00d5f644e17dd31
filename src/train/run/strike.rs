//! Errors and panics on demand, for tests: in the middle of a run, where nothing else can put them.

use crate::error::{Code, Error, Result};
use std::cell::Cell;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Strike {
    OutOfMemory,
    Panic,
}

thread_local! {
    /// Guarded parts that succeed before one fails, and how it does.
    pub(crate) static STRIKE: Cell<Option<(u32, Strike)>> = const { Cell::new(None) };
}

/// Called at the start of each guarded part of a run.
pub(crate) fn strike() -> Result<()> {
    match STRIKE.take() {
        Some((0, Strike::OutOfMemory)) => Err(Error::new(Code::OutOfMemory, "no memory for a test")),
        Some((0, Strike::Panic)) => panic!("a defect for a test"),
        Some((left, kind)) => {
            STRIKE.set(Some((left - 1, kind)));
            Ok(())
        }
        None => Ok(()),
    }
}
