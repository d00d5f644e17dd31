//! No panic crosses the boundary: every entry point's body runs in [`status`] or [`value`], and what it hands to a
//! thread of the library's own (`worker`) in [`caught`].

use super::args::clear;
use super::panic::{self, Caught};
use super::raise::raise;
use super::status::{self, TAILORA_OK, tailora_status};
use super::types::tailora_error;
use crate::error::{Code, Error, Result};
use std::panic::AssertUnwindSafe;

/// Runs the body of a function that answers with a status; what fails becomes a code and, where `err` is given, an error.
///
/// # Safety
/// `err` is NULL or points to memory for one handle, which this writes (NULL on success).
pub(super) unsafe fn status(
    err: *mut *mut tailora_error,
    body: impl FnOnce() -> Result<tailora_status>,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { clear(err) };
    let error = match caught(struck(body)) {
        Ok(status) => return status,
        Err(error) => error,
    };
    let code = status::of(error.code());
    // Raising only allocates; should even that panic, the code alone goes out.
    // SAFETY: the caller's promise.
    let _ = caught(struck(|| unsafe { raise(err, error) }));
    code
}

/// Like [`status`] for bodies that answer nothing but success.
///
/// # Safety
/// As for [`status`].
pub(super) unsafe fn run(err: *mut *mut tailora_error, body: impl FnOnce() -> Result<()>) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { status(err, || body().map(|()| TAILORA_OK)) }
}

/// Runs the body of a function whose answer is not a status; what fails becomes `fallback`.
pub(super) fn value<T>(fallback: T, body: impl FnOnce() -> Result<T>) -> T {
    caught(struck(body)).unwrap_or(fallback)
}

fn struck<T>(body: impl FnOnce() -> Result<T>) -> impl FnOnce() -> Result<T> {
    || {
        #[cfg(feature = "panic-injection")]
        super::injection::strike();
        body()
    }
}

/// Runs `body`; a panic is an error of the code `Internal`.
pub(super) fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half-changed is either behind an `Exclusive`, which it poisons, or not shared.
    panic::catch(AssertUnwindSafe(body)).unwrap_or_else(|Caught { message, place }| {
        tracing::error!(%message, place, "internal error");
        Err(Error::new(Code::Internal, format!("internal error: {message}; please report it"))
            .with("panic", message)
            .with("place", place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::{error, handle};

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let mut err = std::ptr::null_mut();
        // SAFETY: `err` is a local.
        let code = unsafe { run(&mut err, || panic!("row {} is odd", 17)) };
        assert_eq!(code, status::TAILORA_ERR_INTERNAL);
        let text = handle::get(err).unwrap();
        assert_eq!(text.message(), c"internal error: row 17 is odd; please report it");
        let details: serde_json::Value = serde_json::from_str(text.details().to_str().unwrap()).unwrap();
        assert!(details["place"].as_str().unwrap().starts_with(file!()), "{details}");
        // SAFETY: the handle is a token.
        assert_eq!(unsafe { error::tailora_error_free(err) }, TAILORA_OK);
    }

    #[test]
    fn a_payload_whose_drop_panics_does_no_harm() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the payload's drop");
            }
        }
        // SAFETY: no error is asked for.
        let code = unsafe { run(std::ptr::null_mut(), || std::panic::panic_any(Bomb)) };
        assert_eq!(code, status::TAILORA_ERR_INTERNAL);
    }

    #[test]
    fn success_clears_the_error() {
        let mut err = std::ptr::without_provenance_mut(8);
        // SAFETY: `err` is a local.
        assert_eq!(unsafe { run(&mut err, || Ok(())) }, TAILORA_OK);
        assert!(err.is_null());
        assert_eq!(value(7, || panic!("x")), 7);
    }
}
