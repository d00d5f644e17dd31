//! What lies in a model's folder, and what it is called.

use crate::error::{IoContext, Result};
use std::path::{Path, PathBuf};

pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// What lies in a folder, sorted.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        found.push(entry.at("list", dir)?.path());
    }
    found.sort();
    Ok(found)
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
