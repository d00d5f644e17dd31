//! Whose folder a job's is. What it is made of is written there first, and no other job, and not the same one with other
//! options or an input that changed, goes on in it.

use super::cases::Cases;
use super::options::{BatchOptions, MOST_SHARDS, Shard};
use crate::error::{Code, Error, IoContext, Result};
use crate::files::lock::FileLock;
use crate::files::{is_there, listed, names_in, read_text, temporary, write_atomic};
use crate::generate::Attached;
use crate::language_model::LanguageModel;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) const MARKER: &str = "tailora-batch.json";
const LOCK: &str = "tailora-batch.lock";
pub(super) const REPORTS: &str = "reports.jsonl";
const SCHEMA: &str = "tailora.batch/1";
/// Options may hold a schema.
const MAX_TEXT: u64 = 32 << 20;

/// What makes the reports what they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// `tailora.batch/1`.
    schema: String,
    /// Version of the library.
    library: String,
    /// SHA-256 of the file of cases, hex.
    input_sha256: String,
    /// Rows of the file.
    pub(super) rows: usize,
    /// Name and hash of the model.
    model: Value,
    /// Name, version, hash and scale of each adapter.
    adapters: Value,
    /// All options but those that change nothing in a report.
    options: Value,
    pub(super) shard: Option<Shard>,
}

impl Identity {
    pub(super) fn of(
        model: &LanguageModel,
        adapters: &[Attached],
        cases: &Cases,
        options: &BatchOptions,
    ) -> Result<Self> {
        let shard = options.shard;
        let options = BatchOptions { parallel: None, shard: None, ..options.clone() };
        let adapter = |Attached { adapter, scale }: &Attached| json!({ "name": adapter.name(), "version": adapter.version(), "sha256": adapter.sha256(), "scale": scale });
        let identity = Identity {
            schema: SCHEMA.to_owned(),
            library: env!("CARGO_PKG_VERSION").to_owned(),
            input_sha256: cases.sha256.clone(),
            rows: cases.rows.len(),
            model: json!({ "name": model.name(), "sha256": model.sha256()? }),
            adapters: adapters.iter().map(adapter).collect(),
            options: json!(options),
            shard,
        };
        // As it will be read again: the text of a number need not come back as the same bits.
        let reread = serde_json::to_string(&identity).and_then(|text| serde_json::from_str(&text));
        reread.map_err(|err| Error::new(Code::Internal, format!("the job cannot be written as JSON: {err}")))
    }

    /// That of a job's folder, if it is one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MARKER);
        if !is_there(&path)? {
            return Ok(None);
        }
        let damaged = |why: String| Error::new(Code::Io, why).in_file(&path);
        let identity: Identity = serde_json::from_str(&read_text(&path, MAX_TEXT)?)
            .map_err(|err| damaged(format!("is not that of a batch: {err}")))?;
        if identity.shard.is_some_and(|shard| shard.index >= shard.count || shard.count > MOST_SHARDS) {
            return Err(damaged("has a shard that cannot be".to_owned()));
        }
        match identity.schema.as_str() {
            SCHEMA => Ok(Some(identity)),
            other => Err(damaged(format!("has schema `{other}`; expected `{SCHEMA}`"))),
        }
    }

    /// What of another is not this one's, with both: `None` if they are the same, shards aside.
    pub(super) fn difference(&self, other: &Identity) -> Option<(String, Value, Value)> {
        let named = |name: &str, ours: &Value, theirs: &Value| {
            (ours != theirs).then(|| (name.to_owned(), ours.clone(), theirs.clone()))
        };
        named("the input's sha256", &json!(self.input_sha256), &json!(other.input_sha256))
            .or_else(|| named("the model", &self.model, &other.model))
            .or_else(|| named("the adapters", &self.adapters, &other.adapters))
            .or_else(|| {
                let keys = self.options.as_object().into_iter().chain(other.options.as_object());
                let mut keys = keys.flat_map(serde_json::Map::keys);
                keys.find_map(|key| named(&format!("the option `{key}`"), &self.options[key], &other.options[key]))
            })
            .or_else(|| named("the library's version", &json!(self.library), &json!(other.library)))
    }
}

/// A job's folder that is this process's alone as long as this lives.
pub(super) struct JobFolder {
    reports: PathBuf,
    _lock: FileLock,
}

impl JobFolder {
    /// Takes a new or empty folder, or that of the same job.
    pub(super) fn open(path: &Path, identity: &Identity) -> Result<Self> {
        // The host may change its working directory meanwhile.
        let path = std::path::absolute(path).at("find", path)?;
        check_whose(&path, identity)?;
        std::fs::create_dir_all(&path).at("create", &path)?;
        let Some(lock) = FileLock::try_exclusive(&path.join(LOCK))? else {
            let message = format!("another process works on the job in {}; wait for its end", path.display());
            return Err(Error::new(Code::Busy, message).with_path(&path));
        };
        // Another process may have come and gone since the first look.
        check_whose(&path, identity)?;
        temporary::sweep(&path, &[]);
        if !is_there(&path.join(MARKER))? {
            let text = serde_json::to_string_pretty(identity)
                .map_err(|err| Error::new(Code::Internal, format!("the job cannot be written as JSON: {err}")))?;
            write_atomic(&path.join(MARKER), |file| writeln!(file, "{text}"))?;
        }
        Ok(JobFolder { reports: path.join(REPORTS), _lock: lock })
    }

    /// The file of reports.
    pub(super) fn reports(&self) -> &Path {
        &self.reports
    }
}

fn check_whose(path: &Path, identity: &Identity) -> Result<()> {
    if !is_there(path)? {
        return Ok(());
    }
    let refuse = |what: String| Error::new(Code::Io, format!("{} {what}", path.display())).with_path(path);
    if let Some(theirs) = Identity::read(path)? {
        if theirs.shard != identity.shard {
            let (found, expected) = (json!(theirs.shard), json!(identity.shard));
            return Err(refuse(format!(
                "has the shard {found}, and the shard asked for is {expected}; give each its own folder"
            ))
            .with("found", found)
            .with("expected", expected));
        }
        return match identity.difference(&theirs) {
            None => Ok(()),
            Some((what, ours, theirs)) => Err(refuse(format!(
                "has another job, in which {what} is {theirs}, and not {ours}; go on with what it was begun with, or take a new folder"
            ))
            .with("found", theirs)
            .with("expected", ours)),
        };
    }
    let mut names = names_in(path)?;
    // What a job leaves that was killed when it had just begun.
    names.retain(|name| name != LOCK && !temporary::is_temporary(name));
    if names.is_empty() {
        return Ok(());
    }
    Err(refuse(format!(
        "holds {}; a batch writes only to a new or empty folder, or goes on in its own",
        listed(&names)
    )))
}
