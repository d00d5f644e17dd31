//! Reads a header front to back; whatever is not in the file is an error that says what was expected where.
//!
//! A header does not say how long it is, so that only the beginning of a file is at hand: who goes beyond it is told that the
//! cursor ran short, and may come again with more.

use super::bad;
use crate::error::Result;
use std::borrow::Cow;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes of the whole file.
    file: u64,
    short: bool,
}

impl<'a> Cursor<'a> {
    /// Reads the beginning of a file of `file` bytes.
    pub(super) fn new(bytes: &'a [u8], file: u64) -> Self {
        Cursor { bytes, at: 0, file, short: false }
    }

    /// Goes on at `at`, which an earlier pass has checked.
    pub(super) fn starting(bytes: &'a [u8], at: usize) -> Self {
        Cursor { bytes, at, file: bytes.len() as u64, short: false }
    }

    /// Whether something lies in the file, but not in what is at hand of it.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    /// Bytes of the whole file.
    pub(super) fn file_len(&self) -> u64 {
        self.file
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes of the file from here on.
    pub(super) fn left(&self) -> u64 {
        self.file.saturating_sub(self.at as u64)
    }

    pub(super) fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8]> {
        let taken = usize::try_from(len).ok().and_then(|len| self.bytes.get(self.at..self.at.checked_add(len)?));
        let Some(taken) = taken else {
            let (at, left) = (self.at, self.left());
            self.short = len <= left;
            return Err(bad(format!(
                "{what} of {len} bytes at byte {at} goes beyond the end of the file, {left} bytes on"
            )));
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut out = [0u8; N];
        out.copy_from_slice(self.take(N as u64, what)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A length and that many bytes of text. Some real vocabularies are not quite UTF-8.
    pub(super) fn text(&mut self, what: &str) -> Result<Cow<'a, str>> {
        let len = self.u64(what)?;
        Ok(String::from_utf8_lossy(self.take(len, what)?))
    }
}
