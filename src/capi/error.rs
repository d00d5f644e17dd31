//! Errors as objects: the host reads code, sentence and details at its leisure, on any thread.

use super::guard;
use super::handle;
use super::status::{TAILORA_ERR_INVALID_HANDLE, tailora_status};
use super::types::tailora_error;
use std::ffi::c_char;

/// The error's code: one of `TAILORA_ERR_*`. `TAILORA_ERR_INVALID_HANDLE` also if `error` is not an error's handle.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_error_code(error: *const tailora_error) -> tailora_status {
    guard::value(TAILORA_ERR_INVALID_HANDLE, || Ok(handle::get(error)?.status))
}

/// One sentence for people: what was found, what was expected, what to do. UTF-8, NUL-terminated, never NULL (a handle
/// that is not an error's gives a sentence that says so).
///
/// Ownership: borrowed; valid until the error is freed. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_error_message(error: *const tailora_error) -> *const c_char {
    // The text lives in the table's `Arc`, which goes only when the host frees the error.
    guard::value(c"not the handle of an error".as_ptr(), || Ok(handle::get(error)?.message().as_ptr()))
}

/// Facts for programs, a JSON object: `path`, `row`, `column`, `option`, `tensor` and so on, as the error has them.
/// UTF-8, NUL-terminated, never NULL (`{}` where there is nothing to tell, or the handle is not an error's).
///
/// Ownership: borrowed; valid until the error is freed. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_error_details(error: *const tailora_error) -> *const c_char {
    guard::value(c"{}".as_ptr(), || Ok(handle::get(error)?.details().as_ptr()))
}

/// Frees an error. NULL is allowed and does nothing.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not an error's handle, or was freed already. Threads: any; its texts
/// must not be read afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_error_free(error: *mut tailora_error) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(error) }
}
