//! The one place that maps files into memory.
#![allow(unsafe_code)]

use crate::error::{Code, Error, IoContext, Result};
use memmap2::Mmap;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::ops::Range;
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

/// Bytes that are hashed before their memory is given back.
const HASHED: usize = 16 << 20;

/// Adds all bytes of a mapping to a hash.
pub(crate) fn hash(map: &Mmap, hash: &mut Sha256) {
    for (index, bytes) in map.chunks(HASHED).enumerate() {
        hash.update(bytes);
        release(map, index * HASHED..index * HASHED + bytes.len());
    }
}

/// Gives back the memory that reading `bytes` of a mapping took; reading them again brings them back from the file.
///
/// Only a hint, and nothing on systems that take back unused pages of files by themselves.
pub(crate) fn release(map: &Mmap, bytes: Range<usize>) {
    #[cfg(unix)]
    if bytes.end <= map.len() && bytes.start < bytes.end {
        use memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: the mapping is of a file and never written to, so that dropped pages come back with the same bytes.
        let _ = unsafe { map.unchecked_advise_range(DontNeed, bytes.start, bytes.len()) };
    }
    #[cfg(not(unix))]
    let _ = (map, bytes);
}
