//! Temporary files and folders beside the place that they are written for, and what killed processes leave of them.
//!
//! A name is `.tailora-` and six random letters. While its maker lives it is locked, so that a sweep can tell what is being
//! written from what was left behind.

use crate::error::{IoContext, Result};
use std::ffi::OsStr;
use std::fs::{DirEntry, File, TryLockError};
use std::path::Path;
use tempfile::{Builder, NamedTempFile, TempDir};

const PREFIX: &str = ".tailora-";
const RANDOM: usize = 6;

/// A new file in `folder`, as readable as the host's umask has it.
pub(crate) fn file_in(folder: &Path) -> Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As `open` makes files for everybody: the umask takes its part away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).at("create a file in", folder)?;
    // Windows locks bytes, not files: others could not read what was written.
    #[cfg(unix)]
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// A folder that is being filled.
pub(crate) struct Folder {
    folder: TempDir,
    _lock: Option<File>,
}

impl Folder {
    /// A new folder in `parent`, as readable as the host's umask has it.
    pub(crate) fn new_in(parent: &Path) -> Result<Self> {
        let folder = Builder::new().prefix(PREFIX).rand_bytes(RANDOM).tempdir_in(parent);
        let folder = folder.at("create a folder in", parent)?;
        let lock = File::open(folder.path()).ok().filter(|handle| handle.try_lock().is_ok());
        Ok(Folder { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name.
    pub(crate) fn persist(self, path: &Path) -> Result<()> {
        std::fs::rename(self.path(), path).at("rename into", path)?;
        let _ = self.folder.keep();
        Ok(())
    }
}

impl Folder {
    /// Puts the folder in the place of the one at `path`, which goes. Where the file system can let two folders change places,
    /// something whole is at `path` at every moment; elsewhere nothing is, for an instant.
    pub(crate) fn replace(self, path: &Path) -> Result<()> {
        if exchange(self.path(), path).at("rename into", path)? {
            // The old one has the temporary name now, and goes with it.
            return Ok(());
        }
        let aside = Folder::new_in(super::folder_of(path))?;
        let old = aside.path().join("old");
        std::fs::rename(path, &old).at("rename", path)?;
        self.persist(path).inspect_err(|_| {
            let _ = std::fs::rename(&old, path);
        })
    }
}

/// Lets two folders change places in one step; false if that cannot be done here.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> std::io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        // Network file systems, and kernels of long ago.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> std::io::Result<bool> {
    Ok(false)
}

/// Whether a name is that of a temporary file or folder of this library.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Removes what killed processes left in `folder`, and says how much that was. A temporary folder goes only if it holds
/// nothing but `known` files and temporary ones. What cannot be removed stays.
pub(crate) fn sweep(folder: &Path, known: &[&str]) -> usize {
    let left = entries(folder).into_iter().filter(|entry| is_temporary(&entry.file_name()));
    left.filter(|entry| remove(entry, known)).count()
}

fn remove(entry: &DirEntry, known: &[&str]) -> bool {
    let path = entry.path();
    // The type of the entry itself: links are not followed.
    match entry.file_type() {
        Ok(kind) if kind.is_file() => !is_held(&path) && std::fs::remove_file(path).is_ok(),
        Ok(kind) if kind.is_dir() && !is_held(&path) => {
            let inside = entries(&path);
            let ours = |entry: &DirEntry| {
                let name = entry.file_name();
                let known = is_temporary(&name) || known.iter().any(|known| name == *known);
                known && entry.file_type().is_ok_and(|kind| kind.is_file())
            };
            inside.iter().all(ours)
                && inside.iter().all(|entry| std::fs::remove_file(entry.path()).is_ok())
                && std::fs::remove_dir(path).is_ok()
        }
        _ => false,
    }
}

fn entries(folder: &Path) -> Vec<DirEntry> {
    std::fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_default()
}

fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_was_left_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [".tailora-AbC123", ".tailora-ab", ".tailora-backup2", ".tmpAbC123", "tailora-AbC123", "notes.txt"]
        {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::create_dir(at(".tailora-DiR001")).unwrap();
        std::fs::write(at(".tailora-DiR001/known.json"), "{}").unwrap();
        std::fs::write(at(".tailora-DiR001/.tailora-half00"), "{").unwrap();
        std::fs::create_dir(at(".tailora-DiR002")).unwrap();
        std::fs::write(at(".tailora-DiR002/known.json"), "{}").unwrap();
        std::fs::write(at(".tailora-DiR002/letter.txt"), "mine").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("notes.txt"), at(".tailora-LiNk00")).unwrap();
        let mut left = vec![
            ".tailora-DiR002",
            #[cfg(unix)]
            ".tailora-LiNk00",
            ".tailora-ab",
            ".tailora-backup2",
            ".tmpAbC123",
            "notes.txt",
            "tailora-AbC123",
        ];
        let (file, folder) = (file_in(dir.path()).unwrap(), Folder::new_in(dir.path()).unwrap());
        assert!(is_temporary(file.path().file_name().unwrap()) && is_temporary(folder.path().file_name().unwrap()));
        assert_eq!(sweep(dir.path(), &["known.json"]), if cfg!(unix) { 2 } else { 4 });
        if cfg!(unix) {
            assert!(file.path().exists() && folder.path().exists(), "what is being written was taken away");
        }
        drop((file, folder));
        let mut names: Vec<String> =
            entries(dir.path()).iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        left.sort_unstable();
        assert_eq!(names, left);
        assert!(at(".tailora-DiR002/known.json").exists());
        assert_eq!(sweep(&at("none"), &[]), 0);
    }
}
