//! An error as C reads it.

use super::status::{self, tailora_status};
use crate::error::Error;
use std::ffi::{CStr, CString};

/// An error as the texts that C reads.
pub(super) struct ErrorText {
    pub(super) status: tailora_status,
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
