//! Saving an adapter in the place of another. The new folder is whole before the old one goes.

use super::save::FILES;
use super::{Adapter, config};
use crate::error::{Code, Error, IoContext, Result};
use crate::files::{folder_of, listed, names_in, sync_folder, temporary};
use std::path::{Path, PathBuf};

impl Adapter {
    /// As `save`, and if an adapter is at `dir`, it is replaced. A folder that holds anything else is left as it is.
    ///
    /// On Linux and macOS the two folders change places in one step, where the file system can: whoever loads meanwhile gets one
    /// adapter or the other, whole. The folder keeps its permissions. After a failure the old adapter is still there.
    ///
    /// # Errors
    /// `Io`: `dir` has something other than an adapter in it, cannot be replaced, or the disk is full.
    pub fn save_over(&self, dir: &Path) -> Result<()> {
        let Some(dir) = adapter_at(dir)? else { return self.save(dir) };
        let parent = folder_of(&dir);
        let folder = temporary::Folder::new_in(parent)?;
        // File systems without permissions refuse.
        let _ = std::fs::metadata(&dir).and_then(|old| std::fs::set_permissions(folder.path(), old.permissions()));
        self.write_into(folder.path())?;
        folder.replace(&dir)?;
        sync_folder(parent)
    }
}

/// The folder itself, links followed, if there is one with an adapter and nothing else.
fn adapter_at(dir: &Path) -> Result<Option<PathBuf>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut names = names_in(dir)?;
    if !names.iter().any(|name| name == config::FILE_NAME) {
        return Ok(None);
    }
    names.retain(|name| !FILES.iter().any(|file| name == file));
    if names.is_empty() {
        return std::fs::canonicalize(dir).at("look at", dir).map(Some);
    }
    let message = format!("{} holds more than an adapter ({}), which would be lost", dir.display(), listed(&names));
    Err(Error::new(Code::Io, message).with_path(dir))
}

#[cfg(test)]
mod tests {
    use super::super::LoraConfig;
    use super::super::tests::{base, trained};
    use super::*;

    fn adapter(seed: u64) -> Adapter {
        trained(&LoraConfig { r: 2, ..Default::default() }, &base("qwen2"), seed)
    }

    fn sha256_at(dir: &Path) -> String {
        Adapter::load(dir, base("qwen2")).unwrap().sha256().to_owned()
    }

    #[test]
    fn an_adapter_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hr");
        for seed in [3, 4, 5] {
            adapter(seed).save_over(&path).unwrap();
            assert_eq!(sha256_at(&path), adapter(seed).sha256());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "an old adapter was left");
    }

    #[test]
    fn what_is_no_adapter_or_more_than_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("model")).unwrap();
        std::fs::write(at("model/config.json"), "{}").unwrap();
        std::fs::write(at("file"), "text").unwrap();
        adapter(3).save(&at("mine")).unwrap();
        std::fs::write(at("mine/notes.txt"), "mine").unwrap();
        for (name, words) in [("model", "config.json"), ("file", "is a file"), ("mine", "(notes.txt)")] {
            let err = adapter(4).save_over(&at(name)).unwrap_err();
            assert!(err.code() == Code::Io && err.message().contains(words), "{name}: {err}");
        }
        assert_eq!(std::fs::read(at("model/config.json")).unwrap(), b"{}");
        assert_eq!(std::fs::read(at("mine/notes.txt")).unwrap(), b"mine");
        assert_eq!(sha256_at(&at("mine")), adapter(3).sha256());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_the_permissions_of_its_folder_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("v1"), dir.path().join("current"));
        adapter(3).save(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("v1", &link).unwrap();
        adapter(4).save_over(&link).unwrap();
        assert!(link.is_symlink());
        assert_eq!(sha256_at(&path), adapter(4).sha256());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    }

    /// Readers at every moment of many replacements.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_adapter_is_there_at_every_moment() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hr");
        adapter(3).save(&path).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut missing = 0;
                while !done.load(Ordering::Relaxed) {
                    missing += usize::from(!path.join(config::FILE_NAME).exists());
                }
                missing
            });
            for seed in 0..20 {
                adapter(seed).save_over(&path).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(reader.join().unwrap(), 0);
        });
    }
}
