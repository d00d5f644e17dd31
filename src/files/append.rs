//! A file that only grows, by whole records: one that does not fit on the disk leaves nothing of itself.

use crate::error::{Code, Error, IoContext, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
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

    /// Waits until all records are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().at("sync", &self.path)
    }

    /// Cuts off what follows the last line end: what a system that broke down left of a record.
    pub(crate) fn drop_half_a_line(&mut self) -> Result<()> {
        let whole = self.whole_lines().at("read", &self.path)?;
        if whole < self.len {
            // Windows cuts no file that is open for appending alone.
            let cut = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(whole));
            cut.at("cut", &self.path)?;
            self.len = whole;
        }
        Ok(())
    }

    /// Bytes up to the last line end.
    fn whole_lines(&self) -> std::io::Result<u64> {
        let (mut file, mut end, mut piece) = (File::open(&self.path)?, self.len, [0; 4096]);
        while end > 0 {
            let start = end.saturating_sub(piece.len() as u64);
            let piece = &mut piece[..(end - start) as usize];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(piece)?;
            if let Some(at) = piece.iter().rposition(|&byte| byte == b'\n') {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(0)
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

    #[test]
    fn half_a_line_goes_and_whole_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let long = "x".repeat(10_000);
        for (before, after) in [
            ("", ""),
            ("one\n", "one\n"),
            ("one\ntw", "one\n"),
            ("tw", ""),
            (&format!("one\n{long}"), "one\n"),
            (&format!("{long}\n{long}"), &format!("{long}\n")),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut file = AppendFile::open(&path).unwrap();
            file.drop_half_a_line().unwrap();
            file.add(b"three\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{after}three\n"));
        }
    }
}
