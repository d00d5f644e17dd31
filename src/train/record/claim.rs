//! Whose directory a run writes to: a new or empty one, or one that a run of this library marked; and only one run at a
//! time writes there.
//!
//! ```text
//! RUN/tailora-run.json      that this is a run directory, since when, and which run had it last
//! RUN/tailora-run.lock      locked while a run has it; the system unlocks it when the process ends, however it ends
//! ```

use super::checkpoint;
use super::notes::Notes;
use crate::adapter::ADAPTER_FILES;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::{listed, names_in, read_text, sync_folder, temporary, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const MARKER: &str = "tailora-run.json";
const LOCK: &str = "tailora-run.lock";
const SCHEMA: &str = "tailora.run/1";
const MAX_TEXT: u64 = 1 << 20;
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const ADAPTERS: &str = "adapters";

#[derive(Serialize, Deserialize)]
struct Marker {
    /// `tailora.run/1`.
    schema: String,
    /// When the directory became one, RFC 3339.
    created: String,
    /// The version of the library that made it.
    library: String,
    last_run: LastRun,
}

/// The run that has the directory, or had it last.
#[derive(Serialize, Deserialize)]
struct LastRun {
    pid: u32,
    started: String,
}

/// A run directory that is this run's alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Claim {
    /// Takes a directory, and removes what killed runs left half-written in it.
    ///
    /// # Errors
    /// `Io`: the directory is somebody else's, or cannot be written to. `Busy`: another run has it.
    pub(crate) fn take(path: &Path, notes: &mut Notes) -> Result<Self> {
        // The host may change its working directory during the run.
        let path = std::path::absolute(path).at("find", path)?;
        check_whose(&path)?;
        std::fs::create_dir_all(&path).at("create", &path)?;
        let lock_path = path.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).at("open", &lock_path)?;
        let locked = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(busy(&path)),
            Err(TryLockError::Error(err)) => {
                notes.failed("the run directory cannot be locked, so a second run is not kept out of it", err);
                false
            }
        };
        // Another run may have come and gone since the first look.
        check_whose(&path)?;
        mark(&path)?;
        if locked {
            for folder in [path.clone(), path.join(ADAPTERS)] {
                let swept = temporary::sweep(&folder, &ADAPTER_FILES);
                if swept > 0 {
                    tracing::info!(swept, folder = %folder.display(), "removed what killed runs left half-written");
                }
            }
        }
        Ok(Claim { path, _lock: lock })
    }
}

fn mark(path: &Path) -> Result<()> {
    let now = jiff::Timestamp::now().to_string();
    let last_run = LastRun { pid: std::process::id(), started: now.clone() };
    let marker = match read_marker(path) {
        Some(marker) => Marker { last_run, ..marker },
        None => {
            Marker { schema: SCHEMA.to_owned(), created: now, library: env!("CARGO_PKG_VERSION").to_owned(), last_run }
        }
    };
    let text = serde_json::to_string_pretty(&marker)
        .map_err(|err| Error::new(Code::Internal, format!("the run's marker cannot be written as JSON: {err}")))?;
    write_atomic(&path.join(MARKER), |file| writeln!(file, "{text}"))?;
    sync_folder(path)
}

/// The marker of a run directory, if it is one.
fn read_marker(path: &Path) -> Option<Marker> {
    let marker: Marker = serde_json::from_str(&read_text(&path.join(MARKER), MAX_TEXT).ok()?).ok()?;
    (marker.schema == SCHEMA).then_some(marker)
}

fn busy(path: &Path) -> Error {
    let refuse = |who: &str| {
        let message = format!("{} is in use by {who}; wait for its end, or take another output_dir", path.display());
        Error::new(Code::Busy, message).with_path(path).with("option", "output_dir")
    };
    match read_marker(path).map(|marker| marker.last_run) {
        Some(LastRun { pid, started }) => {
            refuse(&format!("another run, of process {pid}, since {started}")).with("pid", pid).with("started", started)
        }
        None => refuse("another run that has just begun"),
    }
}

/// Refuses a directory that is not this library's.
fn check_whose(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err).at("look at", path),
        Ok(found) if found.is_symlink() && !path.exists() => {
            return Err(refusal(path, "is a link to what is not there", &[]));
        }
        Ok(_) if !path.is_dir() => return Err(refusal(path, "is a file", &[])),
        Ok(_) => {}
    }
    let names = names_in(path)?;
    let marked = read_marker(path).is_some();
    // A run of ours leaves other people's files alone, but these it would replace.
    let matters = |name: &OsString| !marked || name == CONFIG || name == LOCK || checkpoint::is_name(name);
    let foreign: Vec<OsString> = names.iter().filter(|name| matters(name) && !is_ours(path, name)).cloned().collect();
    // Runs of before there were markers left a config first of all.
    let begun = |name: &OsString| name == LOCK || temporary::is_temporary(name);
    if foreign.is_empty() && (marked || names.iter().any(|name| name == CONFIG) || names.iter().all(begun)) {
        return Ok(());
    }
    let found = if foreign.is_empty() { names } else { foreign };
    Err(refusal(path, &format!("holds {} ({})", kind_of(&found), listed(&found)), &found))
}

fn refusal(path: &Path, what: &str, found: &[OsString]) -> Error {
    let found: Vec<_> = found.iter().take(20).map(|name| name.to_string_lossy()).collect();
    Error::new(
        Code::Io,
        format!(
            "{} {what}; a run writes only to a new or empty folder, or to that of an earlier run: take another output_dir",
            path.display()
        ),
    )
    .with("option", "output_dir")
    .with_path(path)
    .with("found", found)
}

/// What the names of files say about a folder.
fn kind_of(names: &[OsString]) -> &'static str {
    let any = |matches: &dyn Fn(&str) -> bool| names.iter().any(|name| matches(&name.to_string_lossy().to_lowercase()));
    if any(&|name| name == "adapter_config.json") {
        "an adapter"
    } else if any(&|name| name.ends_with(".safetensors") || name.ends_with(".gguf") || name == "tokenizer.json") {
        "a model"
    } else if any(&|name| name.ends_with(".csv")) {
        "a dataset"
    } else {
        "files that are not those of a run"
    }
}

/// Whether a run of this library made what has this name.
fn is_ours(path: &Path, name: &OsString) -> bool {
    let file = path.join(name);
    match name.to_str() {
        Some(MARKER) => read_marker(path).is_some(),
        Some(CONFIG) => read_text(&file, MAX_TEXT).is_ok_and(|text| is_config(&text)),
        Some(LOCK | METRICS) => file.is_file(),
        Some(ADAPTERS) => file.is_dir(),
        Some(other) if other.starts_with("events.out.tfevents.") => file.is_file(),
        _ if checkpoint::is_name(name) => checkpoint::is_one(&file),
        _ => temporary::is_temporary(name),
    }
}

/// Whether a text is a run's options; those of other versions have some of them.
fn is_config(text: &str) -> bool {
    let parsed: Result<Value, _> = serde_json::from_str(text);
    parsed.is_ok_and(|config| {
        ["lora_alpha", "target_modules", "num_train_epochs", "output_dir"].iter().all(|key| config.get(key).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path) -> Result<Claim> {
        Claim::take(path, &mut Notes::default())
    }

    #[test]
    fn a_folder_of_others_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        type Files = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Files, &str)] = &[
            ("model", &[("config.json", "{\"model_type\": \"qwen2\"}"), ("model.safetensors", "")], "a model"),
            ("config-only", &[("config.json", "{}")], "config.json"),
            ("gguf", &[("a.gguf", "GGUF")], "a model"),
            ("adapter", &[("adapter_config.json", "{}"), ("adapter_model.safetensors", "")], "an adapter"),
            ("dataset", &[("rows.csv", "input,output\n")], "a dataset"),
            ("notes", &[("notes.txt", "mine")], "notes.txt"),
            ("hidden", &[(".profile", "mine")], ".profile"),
            ("metrics", &[("metrics.jsonl", "")], "metrics.jsonl"),
            ("adapters-only", &[("adapters/mine/adapter_config.json", "{}")], "adapters"),
            ("marker-of-others", &[("tailora-run.json", "{\"schema\": \"tailora.run/9\"}")], "tailora-run.json"),
        ];
        for (name, files, words) in cases {
            let folder = dir.path().join(name);
            for (file, text) in *files {
                std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
                std::fs::write(folder.join(file), text).unwrap();
            }
            let err = take(&folder).unwrap_err();
            assert!(err.code() == Code::Io && err.message().contains(words), "{name}: {err}");
            assert!(!err.details()["found"].as_array().unwrap().is_empty(), "{:?}", err.details());
            for (file, text) in *files {
                assert_eq!(std::fs::read_to_string(folder.join(file)).unwrap(), *text, "{name}");
            }
            let names = names_in(&folder).unwrap();
            assert!(!names.iter().any(|name| name == LOCK), "{name}: {names:?}");
        }
        std::fs::write(dir.path().join("file"), "text").unwrap();
        assert!(take(&dir.path().join("file")).unwrap_err().message().contains("is a file"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path().join("none"), dir.path().join("dangling")).unwrap();
            assert!(take(&dir.path().join("dangling")).unwrap_err().message().contains("is a link"));
            std::os::unix::fs::symlink(dir.path().join("model"), dir.path().join("to-model")).unwrap();
            assert!(take(&dir.path().join("to-model")).unwrap_err().message().contains("a model"));
        }
    }

    #[test]
    fn new_empty_marked_and_older_run_directories_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::create_dir(at("littered")).unwrap();
        std::fs::write(at("littered/.DS_Store"), "").unwrap();
        std::fs::create_dir(at("older")).unwrap();
        let config = serde_json::to_string(&crate::train::TrainOptions::default()).unwrap();
        for (name, text) in [(CONFIG, config.as_str()), (METRICS, "{}\n"), ("events.out.tfevents.1.tailora.2.0", "")] {
            std::fs::write(at("older").join(name), text).unwrap();
        }
        std::fs::create_dir(at("killed")).unwrap();
        std::fs::write(at("killed").join(LOCK), "").unwrap();
        for name in ["new/deep", "empty", "littered", "older", "killed"] {
            drop(take(&at(name)).unwrap_or_else(|err| panic!("{name}: {err}")));
            // What others put into it later does not matter, unless it would be replaced.
            std::fs::write(at(name).join("letter.txt"), "mine").unwrap();
            drop(take(&at(name)).unwrap_or_else(|err| panic!("{name}, again: {err}")));
            std::fs::write(at(name).join(CONFIG), "{\"model_type\": \"qwen2\"}").unwrap();
            std::fs::write(at(name).join(checkpoint::NAME), "weights of others").unwrap();
            let err = take(&at(name)).unwrap_err();
            assert_eq!(err.details()["found"], serde_json::json!([checkpoint::NAME, CONFIG]), "{name}: {err}");
        }
    }

    #[test]
    fn a_second_run_is_kept_out_and_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        let err = take(dir.path()).unwrap_err();
        assert_eq!(err.code(), Code::Busy, "{err}");
        assert_eq!(err.details()["pid"], std::process::id());
        assert!(err.message().contains(&format!("process {}", std::process::id())), "{err}");
        drop(first);
        drop(take(dir.path()).unwrap());
    }
}
