//! The one place that maps files into memory.
#![allow(unsafe_code)]

use crate::error::{Code, Error, IoContext, Result};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a regular file read-only.
///
/// The file must not be changed while it is mapped, which is what a model directory promises; a host that replaces a
/// model writes a new directory.
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).at("open", path)?;
    if !file.metadata().at("read", path)?.is_file() {
        return Err(
            Error::new(Code::Io, format!("{} is not a file", path.display())).with("path", path.display().to_string())
        );
    }
    // SAFETY: the mapping is private to this process and read-only; see the promise above.
    unsafe { Mmap::map(&file) }.at("map", path)
}
