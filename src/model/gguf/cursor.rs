//! Reads a header front to back; whatever is not in the file is an error that says what was expected where.

use super::bad;
use crate::error::Result;
use std::borrow::Cow;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Goes on at `at`, which an earlier pass has checked.
    pub(super) fn starting(bytes: &'a [u8], at: usize) -> Self {
        Cursor { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8]> {
        let taken = usize::try_from(len).ok().and_then(|len| self.bytes.get(self.at..self.at.checked_add(len)?));
        let Some(taken) = taken else {
            let (at, left) = (self.at, self.left());
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
