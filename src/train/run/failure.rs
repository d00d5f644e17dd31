//! An error late in a training must not take with it what was learnt by then.

use crate::error::{Code, Error, Result};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a part of a training that has something to lose: a defect of ours ends that part, not the training. What the part
/// leaves half-changed is not used again but for the weights, which are replaced whole.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a panic without words".to_owned(),
        };
        // Dropping a foreign value may itself panic.
        std::mem::forget(payload);
        Err(Error::new(Code::Internal, format!("internal error: {message}; please report it")).with("panic", message))
    })
}

/// The error as the summary shows it.
pub(crate) fn json(err: &Error) -> Value {
    json!({ "code": err.code().status(), "message": err.message(), "details": err.details() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
        let err = caught(|| -> Result<()> { panic!("row {}", std::hint::black_box(17)) }).unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::Internal, "internal error: row 17; please report it"));
        assert_eq!(json(&err)["code"], -99);
        assert_eq!(caught(|| -> Result<()> { std::panic::panic_any(7) }).unwrap_err().code(), Code::Internal);
    }
}
