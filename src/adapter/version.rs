//! Names and versions of adapters, as in `hr_review` and `20261123-n842-r16-3f9c`: the day, the rows, the rank, and the first
//! digits of the tensors' hash.

use super::Adapter;
use crate::error::Result;
use crate::options::invalid;
use jiff::Zoned;

/// Digits of the hash: the first number of them that tells a version from the others of its day is taken.
pub(crate) fn hash_lengths() -> impl Iterator<Item = usize> {
    (4..=64).step_by(4)
}

impl Adapter {
    /// What a version that is made now is called; rows that nobody knows are left out.
    pub(crate) fn version_of(&self, now: &Zoned, rows: Option<usize>, digits: usize) -> String {
        let rows = rows.map_or_else(String::new, |rows| format!("-n{rows}"));
        let hash = self.sha256().get(..digits).unwrap_or_default();
        format!("{}{rows}-r{}-{hash}", now.strftime("%Y%m%d"), self.config().r)
    }
}

/// A name becomes part of a folder's name, on every system the library runs on.
pub(crate) fn check_name(option: &str, name: &str) -> Result<()> {
    let length = name.chars().count();
    // File systems take 255 bytes, of which the version has its part.
    if (1..=64).contains(&length) && name.len() <= 192 && is_plain(name) {
        return Ok(());
    }
    Err(invalid(
        option,
        format_args!("{name:?}"),
        "1 to 64 letters, digits, `_`, `-` or `.`, at most 192 bytes of UTF-8, with no `.` at either end, since it names a folder",
    ))
}

/// Whether a text is letters, digits, `_`, `-` and `.` alone, without a `.` at either end: no path leads out of a folder by it.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(plain) && !text.starts_with('.') && !text.ends_with('.')
}
