//! A request to stop that any thread may make.

use super::args::{clear, required};
use super::guard;
use super::handle;
use super::status::tailora_status;
use super::types::{tailora_cancel, tailora_error};
use crate::control::Cancel;
use crate::error::Result;

/// The request behind a handle that may be NULL: then nothing ever asks to stop.
pub(super) fn optional(cancel: *const tailora_cancel) -> Result<Cancel> {
    if cancel.is_null() { Ok(Cancel::new()) } else { Ok(Cancel::clone(&*handle::get(cancel)?)) }
}

/// Makes a request to stop, not yet made. Give it to any number of calls; a request stays made.
///
/// Ownership: the caller frees `*cancel` with `tailora_cancel_free`; also while calls use it. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` if `cancel` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_cancel_new(
    cancel: *mut *mut tailora_cancel,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(cancel);
        guard::run(err, || {
            required(cancel, "cancel")?;
            cancel.write(handle::insert(Cancel::new())?);
            Ok(())
        })
    }
}

/// Asks every call that was given `cancel` to stop at its next check: at least once a token, a micro-batch, or 64 KiB
/// of CSV. Returns at once; the calls return `TAILORA_ERR_CANCELLED`, or `TAILORA_STOPPED` with what was ready.
///
/// Threads: any, also from a callback. Errors: `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_cancel_request(cancel: *const tailora_cancel) -> tailora_status {
    // SAFETY: no error is asked for.
    unsafe {
        guard::run(std::ptr::null_mut(), || {
            handle::get(cancel)?.request();
            Ok(())
        })
    }
}

/// Frees a request. NULL is allowed and does nothing. Calls that were given it go on, and can no longer be stopped by it.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not such a handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_cancel_free(cancel: *mut tailora_cancel) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(cancel) }
}
