//! Decodes arguments: text, lists and the places that results are written to.

use super::handle::{self, Handle};
use super::types::tailora_adapter;
use crate::adapter::Adapter;
use crate::error::{Code, Error, Result};
use crate::options::{self, Options};
use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::sync::Arc;

/// Writes NULL to `place` if there is one.
///
/// # Safety
/// `place` is NULL or points to memory for one pointer.
pub(super) unsafe fn clear<T>(place: *mut *mut T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(std::ptr::null_mut()) };
    }
}

/// The place for a result that must be given; named in the error.
pub(super) fn required<T>(place: *mut T, name: &str) -> Result<()> {
    if place.is_null() { Err(null(name)) } else { Ok(()) }
}

fn null(name: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("`{name}` is NULL")).with("argument", name)
}

/// A NUL-terminated text that must be given.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that lives as long as the call.
pub(super) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    unsafe { optional_text(text, name) }?.ok_or_else(|| null(name))
}

/// A NUL-terminated text; `None` for NULL.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn optional_text<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, hence NUL-terminated by the caller's promise.
    utf8(unsafe { CStr::from_ptr(text) }.to_bytes(), name).map(Some)
}

/// A path that must be given and not be empty.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn path(path: *const c_char, name: &str) -> Result<PathBuf> {
    // SAFETY: the caller's promise.
    match unsafe { text(path, name) }? {
        "" => Err(Error::new(Code::InvalidArgument, format!("`{name}` is an empty path")).with("argument", name)),
        path => copy(path, name).map(PathBuf::from),
    }
}

/// Paths that must be given and not be empty. An error has the position as `index`.
///
/// # Safety
/// As for [`list`], and for [`text`] each.
pub(super) unsafe fn paths(items: *const *const c_char, count: usize, name: &str) -> Result<Vec<PathBuf>> {
    // SAFETY: the caller's promise.
    let items = unsafe { list(items, count, name) }?.iter().enumerate();
    // SAFETY: the caller's promise.
    items.map(|(index, &item)| unsafe { path(item, name) }.map_err(|err| err.with("index", index))).collect()
}

/// A NUL-terminated text that must be given, for the thread that does the work.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn owned_text(text: *const c_char, name: &str) -> Result<String> {
    // SAFETY: the caller's promise.
    copy(unsafe { self::text(text, name) }?, name)
}

/// The same; `None` for NULL.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn optional_owned_text(text: *const c_char, name: &str) -> Result<Option<String>> {
    // SAFETY: the caller's promise.
    unsafe { optional_text(text, name) }?.map(|text| copy(text, name)).transpose()
}

/// A text with a length; (NULL, 0) is the empty text.
///
/// # Safety
/// `text` points to `len` readable bytes, or is NULL.
pub(super) unsafe fn sized_text(text: *const c_char, len: usize, name: &str) -> Result<String> {
    // SAFETY: the caller's promise; `u8` and `c_char` are one byte each.
    copy(utf8(unsafe { list(text.cast::<u8>(), len, name) }?, name)?, name)
}

/// The host's text for the thread that does the work.
fn copy(text: &str, name: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| {
        let message = format!("there is no memory for a copy of `{name}`, {} bytes", text.len());
        Error::new(Code::OutOfMemory, message).with("argument", name)
    })?;
    copy.push_str(text);
    Ok(copy)
}

/// A list with a length; (NULL, 0) is the empty list.
///
/// # Safety
/// `items` points to `len` readable items, or is NULL.
pub(super) unsafe fn list<'a, T>(items: *const T, len: usize, name: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(null(name));
    }
    // A length that no memory can have is a negative number or garbage, not a text; refuse before touching it.
    if len.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) || !items.is_aligned() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("`{name}` claims {len} items; expected a list in memory"),
        )
        .with("argument", name));
    }
    // SAFETY: not NULL, aligned, of a possible size, and readable by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(items, len) })
}

/// What a handle stands for; `None` for NULL.
pub(super) fn optional_handle<H: Handle>(handle: *const H) -> Result<Option<Arc<H::Object>>> {
    if handle.is_null() { Ok(None) } else { handle::get(handle).map(Some) }
}

/// Adapters, each with its scale; `scales` is NULL for 1 each. An error has the position as `index`.
///
/// # Safety
/// As for [`list`], both being of `count` items.
pub(super) unsafe fn stack(
    adapters: *const *const tailora_adapter,
    scales: *const f64,
    count: usize,
) -> Result<Vec<(Adapter, f64)>> {
    // SAFETY: the caller's promise.
    let (adapters, scales) = unsafe {
        (list(adapters, count, "adapters")?, if scales.is_null() { &[][..] } else { list(scales, count, "scales")? })
    };
    let mut stack = Vec::with_capacity(adapters.len().min(64));
    for (index, &adapter) in adapters.iter().enumerate() {
        let adapter = handle::get(adapter).map_err(|err| err.with("index", index))?;
        let scale = scales.get(index).copied().unwrap_or(1.0);
        if !scale.is_finite() {
            let message = format!("`scales[{index}]` is {scale}; expected a finite number");
            return Err(Error::new(Code::InvalidArgument, message).with("index", index));
        }
        stack.push((Adapter::clone(&adapter), scale));
    }
    Ok(stack)
}

/// Options as the host gave them. They are parsed where the work is done, for they may nest deeply.
pub(super) struct OptionsText(Option<String>);

impl OptionsText {
    /// Whether there is anything to parse.
    pub(super) fn are_given(&self) -> bool {
        self.0.is_some()
    }

    /// The options; the defaults for NULL.
    pub(super) fn parse<T: Options>(&self) -> Result<T> {
        options::parse(self.0.as_deref())
    }
}

/// Options as JSON, or NULL.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn options(json: *const c_char) -> Result<OptionsText> {
    const NAME: &str = "options_json";
    // SAFETY: the caller's promise.
    let text = unsafe { optional_text(json, NAME) }?;
    text.map(|text| copy(text, NAME)).transpose().map(OptionsText)
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|err| {
        Error::new(Code::InvalidArgument, format!("`{name}` is not UTF-8 at byte {}", err.valid_up_to()))
            .with("argument", name)
            .with("byte", err.valid_up_to())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null;

    #[test]
    fn texts_are_checked() {
        // SAFETY: literals, and lengths that are theirs.
        unsafe {
            assert_eq!(text(c"人".as_ptr(), "path").unwrap(), "人");
            assert_eq!(text(null(), "path").unwrap_err().message(), "`path` is NULL");
            let err = text(c"ab\xff".as_ptr(), "prompt").unwrap_err();
            assert_eq!((err.code(), err.message()), (Code::InvalidArgument, "`prompt` is not UTF-8 at byte 2"));
            assert_eq!(optional_text(null(), "x").unwrap(), None);
            assert_eq!(path(c"".as_ptr(), "path").unwrap_err().code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn lengths_are_checked() {
        // SAFETY: what cannot be read is refused before it is touched.
        unsafe {
            assert_eq!(sized_text(null(), 0, "prompt").unwrap(), "");
            assert_eq!(sized_text(null(), 3, "prompt").unwrap_err().message(), "`prompt` is NULL");
            assert_eq!(sized_text(c"abc".as_ptr(), 2, "prompt").unwrap(), "ab");
            assert_eq!(sized_text("a\0c".as_ptr().cast(), 3, "prompt").unwrap(), "a\0c");
            assert_eq!(sized_text(c"abc".as_ptr(), usize::MAX, "prompt").unwrap_err().code(), Code::InvalidArgument);
            assert!(list(std::ptr::without_provenance::<f64>(1), 1, "scales").is_err());
        }
    }
}
