//! Files that are either whole or not there: written beside their place, synced, then renamed.

use crate::error::{IoContext, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes `path` through `fill`; a failure at any byte leaves what was there before.
pub(crate) fn write_atomic(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temp = tempfile::Builder::new().prefix(".tailora-").tempfile_in(folder).at("create a file in", folder)?;
    let mut writer = BufWriter::with_capacity(1 << 16, temp.as_file());
    fill(&mut writer).and_then(|()| writer.flush()).at("write", path)?;
    drop(writer);
    temp.as_file().sync_all().at("sync", path)?;
    temp.persist(path).map_err(|err| err.error).at("rename into", path)?;
    sync_folder(folder)
}

/// Makes a rename durable. Windows has no such call and needs none.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(folder).and_then(|dir| dir.sync_all()).at("sync", folder)?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Reads a whole text file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    use crate::error::{Code, Error};
    let size = std::fs::metadata(path).at("read", path)?.len();
    if size > limit {
        return Err(Error::new(Code::Io, format!("{} has {size} bytes; expected at most {limit}", path.display()))
            .with("path", path.display().to_string()));
    }
    let bytes = std::fs::read(path).at("read", path)?;
    String::from_utf8(bytes).map_err(|err| {
        Error::new(Code::Io, format!("{} is not UTF-8 at byte {}", path.display(), err.utf8_error().valid_up_to()))
            .with("path", path.display().to_string())
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
}
