//! The bytes of a file, read in pieces so that a host can stop.

use crate::control::Monitor;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::{open_regular, refuse_pointer};
use crate::memory;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Cancellation is looked for this often.
pub(super) const CHUNK: usize = 64 << 10;
/// Rows are held in memory; a fine-tuning set is far smaller.
const LARGEST_FILE: u64 = 2 << 30;

/// An error of what a file says, with its path: in the message, too, where it is about a place in the file.
pub(super) fn located(err: Error, path: &Path) -> Error {
    if err.code() == Code::CsvFormat { err.in_file(path) } else { err.with_path(path) }
}

pub(super) struct File {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

/// Reads a regular file.
pub(super) fn read(path: &Path, monitor: &Monitor) -> Result<File> {
    let about = path.display().to_string();
    let file = open_regular(path)?;
    let size = file.metadata().at("read", path)?.len();
    let too_large = |size: u64| {
        let message = format!("{about} has {size} bytes or more; expected at most {LARGEST_FILE}");
        Error::new(Code::CsvFormat, message).with_path(path)
    };
    if size > LARGEST_FILE {
        return Err(too_large(size));
    }
    // The bytes, their text, and the rows with what is looked for in them.
    memory::probe(size.saturating_mul(6))?;
    let mut file = file.take(LARGEST_FILE + 1);
    let (mut bytes, mut hash, mut chunk) = (Vec::new(), Sha256::new(), vec![0; CHUNK]);
    let no_memory = |_| {
        Error::new(Code::OutOfMemory, format!("{about} has {size} bytes, for which there is no memory"))
            .with("bytes", size)
    };
    bytes.try_reserve(usize::try_from(size).unwrap_or(usize::MAX)).map_err(no_memory)?;
    loop {
        monitor.check()?;
        let count = match file.read(&mut chunk) {
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.at("read", path)?,
        };
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        bytes.try_reserve(count).map_err(no_memory)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(too_large(bytes.len() as u64));
    }
    refuse_pointer(path, &bytes)?;
    if bytes.is_empty() {
        let message = format!("{about} is empty; expected a header and rows");
        return Err(Error::new(Code::CsvFormat, message).with_path(path));
    }
    Ok(File { bytes, sha256: format!("{:x}", hash.finalize()) })
}
