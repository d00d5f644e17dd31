//! Objects that one call at a time may use.

use crate::error::{Code, Error, Result};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// An object that one call at a time may use.
pub(super) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Exclusive(Mutex::new(value))
    }

    /// The object for the length of a call. A panic while the guard lives poisons it for good.
    pub(super) fn enter(&self, name: &'static str) -> Result<MutexGuard<'_, T>> {
        self.0.try_lock().map_err(|refused| match refused {
            TryLockError::WouldBlock => Error::new(
                Code::Busy,
                format!("the {name} is in use by another call; one call at a time, or one {name} per thread"),
            ),
            TryLockError::Poisoned(_) => Error::new(
                Code::Poisoned,
                format!("an internal error left the {name} half-changed; free it and make a new one"),
            ),
        })
    }
}
