//! Texts given to the host: owned by it until `tailora_string_free`.
//!
//! They are remembered by address, so that freeing what is not one of them is an answer and not a corrupted heap.

use super::guard;
use super::status::tailora_status;
use crate::error::{Code, Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::{LazyLock, Mutex, PoisonError};

static GIVEN: LazyLock<Mutex<HashMap<usize, CString>>> = LazyLock::new(Mutex::default);

/// Gives `text` to the host through `place`; a NULL place means that it is not wanted.
///
/// # Safety
/// `place` is NULL or points to memory for one pointer.
pub(super) unsafe fn give(place: *mut *mut c_char, text: String) -> Result<()> {
    if place.is_null() {
        return Ok(());
    }
    let text = CString::new(text)
        .map_err(|err| Error::new(Code::Internal, format!("a result has a NUL at byte {}", err.nul_position())))?;
    let start = text.as_ptr().cast_mut();
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(start.addr(), text);
    // SAFETY: not NULL, and the caller's promise. The bytes stay where they are while the `CString` is in the map.
    unsafe { place.write(start) };
    Ok(())
}

/// A result as JSON.
pub(super) fn json(result: &impl Serialize) -> Result<Value> {
    serde_json::to_value(result)
        .map_err(|err| Error::new(Code::Internal, format!("a result cannot be written as JSON: {err}")))
}

/// A result as the text of its JSON.
pub(super) fn json_text(result: &impl Serialize) -> Result<String> {
    Ok(json(result)?.to_string())
}

/// How many texts were given out and not freed.
pub(super) fn live() -> u64 {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
}

/// Frees a string that a function of this library gave out through a `char **`. NULL is allowed and does nothing.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if the pointer is not such a string, or was freed already.
/// Threads: any; the string must not be read afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_string_free(string: *mut c_char) -> tailora_status {
    // SAFETY: no error is asked for.
    unsafe {
        guard::run(std::ptr::null_mut(), || {
            if string.is_null() {
                return Ok(());
            }
            let text = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&string.addr());
            text.map(drop).ok_or_else(|| Error::new(Code::InvalidHandle, "not a string of this library"))
        })
    }
}
