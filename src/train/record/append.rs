//! A file that only grows, by whole records: one that does not fit on the disk leaves nothing of itself.

use crate::error::{Code, Error, IoContext, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An open file at whose end records are added. A record is written by one call and is on its way to the disk when that
/// returns, so a killed run ends in a whole one.
#[derive(Debug)]
pub(crate) struct AppendFile {
    file: File,
    path: PathBuf,
    len: u64,
}

impl AppendFile {
    /// Opens or creates a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        match std::fs::metadata(path) {
            // Opening a pipe would wait for its reader.
            Ok(found) if !found.is_file() => {
                Err(Error::new(Code::Io, format!("{} is not a regular file", path.display())).with_path(path))
            }
            _ => Self::with(OpenOptions::new().create(true), path).at("open", path),
        }
    }

    /// Creates a file that must not be there.
    pub(crate) fn create_new(path: &Path) -> std::io::Result<Self> {
        Self::with(OpenOptions::new().create_new(true), path)
    }

    fn with(options: &mut OpenOptions, path: &Path) -> std::io::Result<Self> {
        let file = options.append(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(AppendFile { file, path: path.to_owned(), len })
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, record: &[u8]) -> Result<()> {
        let written = self.file.write_all(record);
        match written {
            Ok(()) => self.len += record.len() as u64,
            // A part of it may stand there.
            Err(_) => drop(self.file.set_len(self.len)),
        }
        written.at("write", &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let err = AppendFile::open(dir.path()).unwrap_err();
        assert!(err.message().contains("is not a regular file"), "{err}");
        let path = dir.path().join("a");
        AppendFile::open(&path).unwrap().add(b"one\n").unwrap();
        assert!(AppendFile::create_new(&path).is_err());
        AppendFile::open(&path).unwrap().add(b"two\n").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"one\ntwo\n");
    }
}
