//! A file of weights, read by position into memory of ours. It is never mapped: a file that someone cuts off while it is
//! mapped ends the process at the next access, and one that someone writes over gives weights and a hash that never met.

use crate::error::{Code, Error, IoContext, Result};
use crate::files::{open_regular, refuse_pointer};
use crate::memory;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes that are hashed at a time.
const HASHED: usize = 1 << 20;
/// Bytes of a file's beginning that say what it is.
const BEGINNING: usize = 64;

/// An open file. It stays the same one when another takes its name.
pub(crate) struct WeightFile {
    path: PathBuf,
    file: File,
    opened: State,
    /// When it was opened; none where the file system does not tell enough.
    identity: Option<Identity>,
}

/// What changes when a file is written to.
#[derive(PartialEq)]
struct State {
    len: u64,
    /// Not every file system has it.
    modified: Option<SystemTime>,
}

/// What two files differ in, and a file from what it was before somebody wrote to it.
#[derive(PartialEq)]
struct Identity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    /// When content or metadata last changed, in seconds and nanoseconds; nobody can set it.
    #[cfg(unix)]
    changed: (i64, i64),
    #[cfg(windows)]
    path: PathBuf,
    #[cfg(windows)]
    created: SystemTime,
}

impl Identity {
    #[cfg(unix)]
    fn of(file: &File, _: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata().ok()?;
        Some(Identity {
            device_and_inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(windows)]
    fn of(file: &File, path: &Path) -> Option<Self> {
        Some(Identity { path: path.canonicalize().ok()?, created: file.metadata().ok()?.created().ok()? })
    }
}

impl State {
    fn of(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().at("read", path)?;
        Ok(State { len: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl WeightFile {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_regular(path)?;
        let opened = State::of(&file, path)?;
        let identity = Identity::of(&file, path);
        let file = WeightFile { path: path.to_path_buf(), file, opened, identity };
        refuse_pointer(path, &file.read(0, file.len().min(BEGINNING as u64))?)?;
        Ok(file)
    }

    /// Where it was found.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are one file to which nobody wrote between the one's opening and the other's; false where that cannot be
    /// told.
    pub(crate) fn is_same(&self, other: &WeightFile) -> bool {
        self.opened.modified.is_some()
            && self.opened == other.opened
            && self.identity.is_some()
            && self.identity == other.identity
    }

    /// Bytes it had when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.opened.len
    }

    /// Fills `out` with the bytes from `at` on.
    pub(crate) fn read_into(&self, at: u64, out: &mut [u8]) -> Result<()> {
        match read_exact_at(&self.file, at, out) {
            Err(err) if err.kind() == std::io::ErrorKind::UnexpectedEof => Err(self.changed()),
            other => other.at("read", &self.path),
        }
    }

    /// `len` bytes from `at` on.
    pub(crate) fn read(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| memory::exhausted(len))?;
        let mut bytes = memory::reserved(len)?;
        bytes.resize(len, 0);
        self.read_into(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Refuses a file that was written to after it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        if State::of(&self.file, &self.path)? == self.opened { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::new(
            Code::Io,
            format!(
                "{} has changed since it was opened; load the model again, and replace models by new files or folders",
                self.path.display()
            ),
        )
        .with_path(&self.path)
    }
}

/// SHA-256 over files in their order, hex; of the bytes that they had when they were opened, or an error.
pub(crate) fn sha256(files: &[Arc<WeightFile>]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut bytes = memory::reserved(HASHED)?;
    for file in files {
        file.check_unchanged()?;
        let mut at = 0;
        while at < file.len() {
            bytes.resize((file.len() - at).min(HASHED as u64) as usize, 0);
            file.read_into(at, &mut bytes)?;
            hash.update(&bytes);
            at += bytes.len() as u64;
        }
        file.check_unchanged()?;
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(unix)]
fn read_exact_at(file: &File, at: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut at: u64, mut out: &mut [u8]) -> std::io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, at) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                out = &mut out[read..];
                at += read as u64;
            }
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn opened(content: &[u8]) -> (tempfile::TempDir, PathBuf, Arc<WeightFile>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        std::fs::write(&path, content).unwrap();
        let file = Arc::new(WeightFile::open(&path).unwrap());
        (dir, path, file)
    }

    #[test]
    fn the_hash_is_that_of_the_file_or_an_error() {
        let content: Vec<u8> = (0..HASHED * 2 + 17).map(|i| (i * 7 % 251) as u8).collect();
        let (_dir, path, file) = opened(&content);
        assert_eq!(sha256(std::slice::from_ref(&file)).unwrap(), format!("{:x}", Sha256::digest(&content)));
        // Another file of that name leaves this one as it is.
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        std::fs::write(&path, b"another").unwrap();
        assert_eq!(sha256(std::slice::from_ref(&file)).unwrap(), format!("{:x}", Sha256::digest(&content)));
    }

    #[test]
    fn a_change_in_place_is_an_error_that_says_so() {
        let refused = |result: Result<String>| {
            let err = result.unwrap_err();
            assert!(err.code() == Code::Io && err.message().contains("has changed since it was opened"), "{err}");
        };
        let (_dir, path, file) = opened(&[1; 1000]);
        let mut options = File::options();
        let writer = options.write(true).open(&path).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        (&writer).write_all(&[2; 1000]).unwrap();
        writer.set_modified(later).unwrap();
        refused(sha256(std::slice::from_ref(&file)));
        writer.set_len(500).unwrap();
        refused(sha256(std::slice::from_ref(&file)));
        refused(file.read(400, 200).map(|_| String::new()));
        assert_eq!(file.read(400, 100).unwrap(), [2; 100]);
    }
}
