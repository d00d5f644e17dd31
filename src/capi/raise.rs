//! How an error reaches the host.

use super::error_text::ErrorText;
use super::handle;
use super::types::tailora_error;
use crate::error::Error;

/// Gives `error` to the host, if it wants one.
///
/// # Safety
/// `err` is NULL or points to memory for one handle.
pub(super) unsafe fn raise(err: *mut *mut tailora_error, error: Error) -> crate::error::Result<()> {
    if !err.is_null() {
        let token = handle::insert(ErrorText::new(&error))?;
        // SAFETY: not NULL, and the caller's promise.
        unsafe { err.write(token) };
    }
    Ok(())
}
