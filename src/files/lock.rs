//! Locks between processes: on a file that the system unlocks when its holder ends, however it ends.

use crate::error::{Code, Error, IoContext, Result};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is done under a lock takes milliseconds; on a slow share, seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits until nobody else holds the lock.
    ///
    /// # Errors
    /// `Busy` after a minute; `Io` where the file cannot be made, or the file system has no locks.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        Self::wait(path, File::try_lock)
    }

    /// Waits until nobody holds the lock exclusively.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        Self::wait(path, File::try_lock_shared)
    }

    /// The lock, if nobody holds it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(err)) => Err(err).at("lock", path),
        }
    }

    fn wait(path: &Path, try_lock: fn(&File) -> Result<(), TryLockError>) -> Result<Self> {
        let (file, begun) = (open(path)?, Instant::now());
        loop {
            match try_lock(&file) {
                Ok(()) => return Ok(FileLock { _file: file }),
                Err(TryLockError::Error(err)) => return Err(err).at("lock", path),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let message = format!(
                        "{} has been locked by another process for {} s; end that process, or try again",
                        path.display(),
                        PATIENCE.as_secs()
                    );
                    return Err(Error::new(Code::Busy, message).with_path(path));
                }
            }
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::options().create(true).truncate(false).write(true).open(path).at("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_lock_keeps_others_out_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::exclusive(&path).unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::shared(&path).map(drop)
        });
        std::thread::sleep(10 * PAUSE);
        assert!(!waiting.is_finished());
        drop(held);
        waiting.join().unwrap().unwrap();
        let (_one, _other) = (FileLock::shared(&path).unwrap(), FileLock::shared(&path).unwrap());
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        assert_eq!(FileLock::shared(dir.path()).unwrap_err().code(), Code::Io);
    }
}
