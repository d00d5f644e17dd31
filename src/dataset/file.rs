//! The bytes of a file, read in pieces so that a host can stop.

use crate::control::Monitor;
use crate::error::{Code, Error, IoContext, Result};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Cancellation is looked for this often.
pub(super) const CHUNK: usize = 64 << 10;
/// Rows are held in memory; a fine-tuning set is far smaller.
const LARGEST_FILE: u64 = 2 << 30;

pub(super) struct File {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

/// Reads a regular file.
pub(super) fn read(path: &Path, monitor: &Monitor) -> Result<File> {
    let about = path.display().to_string();
    let metadata = std::fs::metadata(path).at("read", path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Error::new(Code::Io, format!("{about} is {what}; expected a CSV file")).with("path", about));
    }
    if metadata.len() > LARGEST_FILE {
        let message = format!("{about} has {} bytes; expected at most {LARGEST_FILE}", metadata.len());
        return Err(Error::new(Code::CsvFormat, message).with("path", about));
    }
    let mut file = std::fs::File::open(path).at("open", path)?.take(LARGEST_FILE);
    let (mut bytes, mut hash, mut chunk) = (Vec::new(), Sha256::new(), vec![0; CHUNK]);
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
        bytes.extend_from_slice(&chunk[..count]);
    }
    if bytes.is_empty() {
        return Err(
            Error::new(Code::CsvFormat, format!("{about} is empty; expected a header and rows")).with("path", about)
        );
    }
    Ok(File { bytes, sha256: format!("{:x}", hash.finalize()) })
}
