//! A registry of adapters: a folder, on a disk or a share, that several processes use at once.
//!
//! ```text
//! REGISTRY/tailora-registry.json     that this is a registry, and the salt of the ids in the audit
//! REGISTRY/tailora-registry.lock     held for the milliseconds in which an alias or the audit changes
//! REGISTRY/tailora-publishing.lock   shared by all who publish; who holds it alone may sweep
//! REGISTRY/versions/hr_review-20261123-n842-r16-3f9c/
//!     adapter_model.safetensors, tailora.json, adapter_config.json, publication.json
//! REGISTRY/aliases/alias-production.json   what an alias stands for, and what it stood for
//! REGISTRY/audit.jsonl               one line per report
//! ```
//!
//! A version appears whole, by the renaming of its folder, and never changes. An alias's file is replaced whole, by
//! renaming too, so that readers need no lock. The system unlocks files when a process ends, however it ends: no lock is
//! ever stale.

mod aliases;
mod audit;
mod options;
mod publish;
mod versions;

pub use aliases::{AliasAction, AliasChange, AliasState, Share};
pub use audit::{AuditEntry, AuditLine};
pub use options::PublishOptions;
pub use versions::Publication;

use crate::error::{Code, Error, IoContext, Result};
use crate::files::lock::FileLock;
use crate::files::{is_there, listed, names_in, read_text, temporary, write_atomic};
use crate::salted::Salt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

const MARKER: &str = "tailora-registry.json";
const LOCK: &str = "tailora-registry.lock";
const PUBLISHING: &str = "tailora-publishing.lock";
const VERSIONS: &str = "versions";
const ALIASES: &str = "aliases";
const AUDIT: &str = "audit.jsonl";
const SCHEMA: &str = "tailora.registry/1";
/// An alias has up to 500 changes, each with up to 16 versions.
const MAX_TEXT: u64 = 8 << 20;

/// A registry's folder. Clones are the same; any thread may use it.
#[derive(Debug, Clone)]
pub struct Registry {
    path: PathBuf,
    salt: Salt,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    /// `tailora.registry/1`.
    schema: String,
    /// RFC 3339.
    created: String,
    /// Of the ids in the audit.
    salt: Salt,
}

impl Registry {
    /// Opens a registry that is there.
    ///
    /// # Errors
    /// `Io`: there is none.
    pub fn open(path: &Path) -> Result<Self> {
        // The host may change its working directory.
        let path = std::path::absolute(path).at("find", path)?;
        if !is_there(&path.join(MARKER))? {
            let message = format!(
                "{} is no registry, since it has no {MARKER}; give the folder of one, or make one there",
                path.display()
            );
            return Err(Error::new(Code::Io, message).with_path(&path));
        }
        let marker: Marker = read_json(&path.join(MARKER), SCHEMA, |marker: &Marker| &marker.schema)?;
        Ok(Registry { path, salt: marker.salt })
    }

    /// Makes a registry of a new or empty folder, or opens the one that is there.
    ///
    /// # Errors
    /// `Io`: the folder holds something else, or cannot be written to, or its file system has no locks.
    pub fn create(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).at("find", path)?;
        if is_there(&path.join(MARKER))? {
            return Self::open(&path);
        }
        check_empty(&path)?;
        std::fs::create_dir_all(&path).at("create", &path)?;
        let _lock = FileLock::exclusive(&path.join(LOCK))?;
        // Another process may have made it meanwhile.
        if !is_there(&path.join(MARKER))? {
            let created = jiff::Timestamp::now().to_string();
            write_json(&path.join(MARKER), &Marker { schema: SCHEMA.to_owned(), created, salt: Salt::random()? })?;
        }
        Self::open(&path)
    }

    /// Where it is, from the root of the file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Held while an alias or the audit changes.
    fn lock(&self) -> Result<FileLock> {
        FileLock::exclusive(&self.path.join(LOCK))
    }

    /// One of its folders, which is made when it is first written to.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        Ok(folder)
    }
}

/// Refuses a folder with anything in it but what the making of a registry leaves when it is killed.
fn check_empty(path: &Path) -> Result<()> {
    if !is_there(path)? {
        return Ok(());
    }
    let mut names = names_in(path)?;
    names.retain(|name| name != LOCK && name != MARKER && !temporary::is_temporary(name));
    if names.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} holds {}, and is no registry; expected a registry, or a new or empty folder",
        path.display(),
        listed(&names)
    );
    Err(Error::new(Code::Io, message).with_path(path))
}

/// Reads one of the registry's own files.
fn read_json<T: DeserializeOwned>(path: &Path, schema: &str, found: impl Fn(&T) -> &String) -> Result<T> {
    let damaged = |what: String| Error::new(Code::Io, what).in_file(path);
    let value: T =
        serde_json::from_str(&read_text(path, MAX_TEXT)?).map_err(|err| damaged(format!("is damaged: {err}")))?;
    match found(&value) {
        known if known == schema => Ok(value),
        other => Err(damaged(format!("has schema `{other}`; expected `{schema}`"))),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|err| Error::new(Code::Internal, format!("{} cannot be written as JSON: {err}", path.display())))?;
    write_atomic(path, |file| writeln!(file, "{text}"))
}

#[cfg(test)]
mod tests;
