//! Errors as objects: the host reads code, sentence and details at its leisure, on any thread.

use super::guard;
use super::handle;
use super::status::{self, TAILORA_ERR_INVALID_HANDLE, tailora_status};
use super::types::tailora_error;
use crate::error::Error;
use std::ffi::{CStr, CString, c_char};

/// An error as the texts that C reads.
pub(super) struct ErrorText {
    status: tailora_status,
    message: CString,
    details: CString,
}

impl ErrorText {
    pub(super) fn new(error: &Error) -> Self {
        let details = serde_json::Value::Object(error.details().clone()).to_string();
        ErrorText { status: status::of(error.code()), message: c_text(error.message()), details: c_text(&details) }
    }

    pub(super) fn message(&self) -> &CStr {
        &self.message
    }

    pub(super) fn details(&self) -> &CStr {
        &self.details
    }
}

/// A NUL inside (from a host's own text, quoted in a message) becomes visible instead of ending the text.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{2400}")).unwrap_or_default()
}

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
