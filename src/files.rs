//! Files that are either whole or not there: written beside their place, synced, then renamed. And reading, of regular
//! files only, and never more than was expected.

pub(crate) mod append;
pub(crate) mod lock;
pub(crate) mod temporary;

use crate::error::{Code, Error, IoContext, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// Writes `path` through `fill`; a failure at any byte leaves what was there before. A file that was there keeps its
/// permissions, a new one has those of the host's umask.
pub(crate) fn write_atomic(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<()> {
    let folder = folder_of(path);
    let temp = temporary::file_in(folder)?;
    let mut writer = BufWriter::with_capacity(1 << 16, temp.as_file());
    fill(&mut writer).and_then(|()| writer.flush()).at("write", path)?;
    drop(writer);
    #[cfg(unix)]
    if let Ok(old) = std::fs::symlink_metadata(path)
        && old.is_file()
    {
        // File systems without permissions refuse.
        let _ = temp.as_file().set_permissions(old.permissions());
    }
    temp.as_file().sync_all().at("sync", path)?;
    temp.persist(path).map_err(|err| err.error).at("rename into", path)?;
    sync_folder(folder)
}

/// Whether there is something at a path. What cannot be looked at, on a share that does not answer for example, is an error, and
/// not nothing.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().at("look at", path)
}

/// The folder that a path is in; a bare name is in the working directory.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename durable. Windows has no such call and needs none; nor have some file systems, and a folder that may be
/// written to but not read cannot be opened for it.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
        match File::open(folder).and_then(|dir| dir.sync_all()) {
            Err(err) if !matches!(err.kind(), InvalidInput | PermissionDenied | Unsupported) => {
                return Err(err).at("sync", folder);
            }
            _ => {}
        }
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// What file managers and file systems put into folders that are otherwise empty.
const LITTER: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"];

/// Names of what a folder holds, litter aside, in order; no more than a few hundred.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    let entries = std::fs::read_dir(folder).at("read", folder)?.take(500).map(|entry| Ok(entry?.file_name()));
    let mut names = entries.collect::<std::io::Result<Vec<_>>>().at("read", folder)?;
    names.retain(|name| !LITTER.iter().any(|litter| name == litter));
    names.sort();
    Ok(names)
}

/// The first few names, for people.
pub(crate) fn listed(names: &[OsString]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| name.to_string_lossy().into_owned()).collect();
    shown.join(", ") + if names.len() > shown.len() { ", …" } else { "" }
}

/// Opens a regular file for reading. Anything else (a named pipe, a socket, a device) might never end, or never begin: a
/// call that waits for it could not be cancelled.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    // Before it is opened, since opening a device may already do something; after it, since it may be another file then.
    check_regular(path, &std::fs::metadata(path).at("read", path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).at("open", path)?;
    check_regular(path, &file.metadata().at("read", path)?)?;
    Ok(file)
}

fn check_regular(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a directory" } else { "a named pipe, a socket or a device" };
    Err(Error::new(Code::Io, format!("{} is {what}; expected a regular file", path.display())).with_path(path))
}

/// Reads a whole regular file of at most `limit` bytes, whatever size the system says it has.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = open_regular(path)?;
    let too_large = |size: String| {
        Error::new(Code::Io, format!("{} has {size} bytes; expected at most {limit}", path.display())).with_path(path)
    };
    let size = file.metadata().at("read", path)?.len();
    if size > limit {
        return Err(too_large(size.to_string()));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(format!("more than {limit}")));
    }
    refuse_pointer(path, &bytes)?;
    Ok(bytes)
}

/// Refuses what git leaves in the place of a large file that was not downloaded.
pub(crate) fn refuse_pointer(path: &Path, beginning: &[u8]) -> Result<()> {
    if !beginning.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Ok(());
    }
    let message = format!(
        "{} is a git-lfs pointer, a few lines that stand for the file itself; fetch the file with `git lfs pull`",
        path.display()
    );
    Err(Error::new(Code::Io, message).with_path(path))
}

/// Reads a whole text file of at most `limit` bytes, without the byte-order mark it may begin with.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    let mut bytes = read_bytes(path, limit)?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|err| {
        Error::new(Code::Io, format!("{} is not UTF-8 at byte {}", path.display(), err.utf8_error().valid_up_to()))
            .with_path(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, |w| w.write_all(b"old")).unwrap();
        let err = write_atomic(&path, |w| {
            w.write_all(b"half")?;
            Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space"))
        })
        .unwrap_err();
        assert!(err.message().contains("a.json"), "{err}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_read_has_no_mark_and_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "\u{feff}{}").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "{}");
        let err = read_bytes(&path, 4).unwrap_err();
        assert!(err.message().contains("has 5 bytes; expected at most 4"), "{err}");
        let err = read_text(dir.path(), 4).unwrap_err();
        assert!(err.message().contains("is a directory; expected a regular file"), "{err}");
    }

    /// Their sizes are 0, and they do not end, or wait for someone who writes.
    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_even_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, socket) = (dir.path().join("pipe"), dir.path().join("socket"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [&*pipe, &socket, &link, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let err = read_bytes(path, 1 << 20).unwrap_err();
            assert!(err.message().contains("expected a regular file"), "{err}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_umask_or_of_the_file_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| dir.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        std::fs::write(dir.path().join("plain"), "").unwrap();
        write_atomic(&dir.path().join("new"), |w| w.write_all(b"1")).unwrap();
        assert_eq!(mode("new"), mode("plain"), "as any other file of this process");
        for old in [0o600, 0o640, 0o666, 0o444] {
            let path = dir.path().join("old");
            std::fs::write(&path, "0").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(old)).unwrap();
            write_atomic(&path, |w| w.write_all(b"1")).unwrap();
            assert_eq!((mode("old"), std::fs::read(&path).unwrap()), (old, b"1".to_vec()));
            std::fs::remove_file(&path).unwrap();
        }
    }
}
