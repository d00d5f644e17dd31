//! A run directory: what was asked for, how it went, and the adapters that came of it.
//!
//! ```text
//! RUN/tailora-run.json, RUN/tailora-run.lock              whose directory this is: see `claim`
//! RUN/config.json                                         the options, defaults filled in
//! RUN/metrics.jsonl                                       one line per logged step
//! RUN/events.out.tfevents.…                               the same for TensorBoard
//! RUN/summary.html, RUN/reliability.svg                   how the latest run went, for people
//! RUN/adapters/hr_review-20261123-n842-r16-3f9c/          one folder per version, never overwritten
//! RUN/checkpoint.safetensors                              the state to resume from, if asked for
//! RUN/checkpoint-fold-1.safetensors                       the same for each fold, where there are folds
//! ```
//!
//! What cannot be written once training has begun is noted, and training goes on.

use super::claim::{ADAPTERS, CONFIG, Claim, METRICS};
use super::metrics::MetricsWriter;
use super::notes::Notes;
use super::tensorboard::EventWriter;
use crate::adapter::calibration::Calibration;
use crate::adapter::learnt::LearntRows;
use crate::adapter::{Adapter, AdapterManifest, TrainedIds, hash_lengths};
use crate::error::{Code, Error, IoContext, Result};
use crate::files::write_atomic;
use crate::train::options::TrainOptions;
use jiff::Zoned;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An open run directory.
#[derive(Debug)]
pub(crate) struct RunDir {
    claim: Claim,
    metrics: Option<MetricsWriter>,
    events: Option<EventWriter>,
    /// What went wrong with it.
    pub(crate) notes: Notes,
}

/// What the manifest of a trained adapter says beyond the adapter itself.
#[derive(Debug, Clone)]
pub(crate) struct Provenance {
    /// Rows of the dataset, validation rows included.
    pub(crate) rows: usize,
    /// SHA-256 of the CSV, hex.
    pub(crate) csv_sha256: Option<String>,
    /// Whose rows these are.
    pub(crate) trained_ids: Option<TrainedIds>,
    /// Seed, steps, losses: kept as they are.
    pub(crate) metrics: Map<String, Value>,
    pub(crate) calibration: Option<Calibration>,
    pub(crate) learnt: LearntRows,
}

impl RunDir {
    /// Takes the directory and writes `config.json`. A directory of an earlier run is continued: its metrics and adapters
    /// stay, `config.json` becomes that of the latest run.
    ///
    /// # Errors
    /// As [`Claim::take`]; `Io` if no adapter could be saved there.
    pub(crate) fn open(path: &Path, options: &TrainOptions) -> Result<Self> {
        let mut notes = Notes::default();
        let claim = Claim::take(path, &mut notes)?;
        make_room(&claim.path.join(ADAPTERS), &options.name)?;
        if let Err(err) = write_config(&claim.path.join(CONFIG), options) {
            notes.failed("the run's config.json was not written", err);
        }
        let metrics = MetricsWriter::append(&claim.path.join(METRICS));
        let metrics = metrics.map_err(|err| notes.failed("there is no metrics.jsonl of this run", err)).ok();
        let events = EventWriter::create(&claim.path);
        let events = events.map_err(|err| notes.failed("there are no TensorBoard events of this run", err)).ok();
        Ok(RunDir { claim, metrics, events, notes })
    }

    /// Where it is, from the root of the file system.
    pub(crate) fn path(&self) -> &Path {
        &self.claim.path
    }

    /// Writes the figures of a step to both files: a line of JSON, and one TensorBoard point per figure under
    /// `group/name`, as in `train/loss`.
    pub(crate) fn log(&mut self, group: &str, step: u64, figures: &[(&str, f64)]) {
        let RunDir { metrics, events, notes, .. } = self;
        let mut line = Map::from_iter([("kind".to_owned(), json!(group)), ("step".to_owned(), json!(step))]);
        line.extend(figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        if let Some(Err(err)) = metrics.as_mut().map(|metrics| metrics.write(&Value::Object(line))) {
            notes.failed("a line of metrics.jsonl was not written", err);
        }
        let Some(events) = events else { return };
        for (name, value) in figures {
            if let Err(err) = events.scalar(&format!("{group}/{name}"), step, *value) {
                notes.failed("a TensorBoard point was not written", err);
            }
        }
    }

    /// Saves a version of the adapter under `adapters/`; gives its folder and the adapter as it was saved.
    pub(crate) fn save_adapter(
        &self,
        name: &str,
        adapter: &Adapter,
        provenance: &Provenance,
    ) -> Result<(PathBuf, Adapter)> {
        let folder = self.path().join(ADAPTERS);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let now = Zoned::now();
        // Four digits of the hash tell versions of a day apart; more of them where four do not.
        for digits in hash_lengths() {
            let versioned = stamp(name, adapter, provenance, &now, digits);
            let path = folder.join(format!("{name}-{}", versioned.version()));
            if !path.exists() {
                versioned.save(&path)?;
                return Ok((path, versioned));
            }
        }
        Err(Error::new(Code::Io, format!("{} already holds this adapter; nothing was written", folder.display()))
            .with_path(&folder))
    }
}

fn write_config(path: &Path, options: &TrainOptions) -> Result<()> {
    let config = serde_json::to_value(options)
        .map_err(|err| Error::new(Code::Internal, format!("the options cannot be written as JSON: {err}")))?;
    write_atomic(path, |file| writeln!(file, "{config:#}"))
}

/// Makes the folder of the adapters, and sees whether a name as long as the adapter's can be given there: file systems
/// differ, and after hours of training it would be late to find out.
fn make_room(adapters: &Path, name: &str) -> Result<()> {
    std::fs::create_dir_all(adapters).at("create", adapters)?;
    let probe = adapters.join(format!("{name}-20260101-n1000000-r4096-0123456789abcdef"));
    match std::fs::create_dir(&probe) {
        // Of a run that was killed just here.
        Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.at("create", &probe)?,
    }
    std::fs::remove_dir(&probe).at("remove", &probe)
}

/// The adapter with its name, version and origin, as in `hr_review` and `20261123-n842-r16-3f9c`: what `RunDir` saves, and
/// what a run without a directory returns.
pub(crate) fn named_version(name: &str, adapter: &Adapter, provenance: &Provenance) -> Adapter {
    stamp(name, adapter, provenance, &Zoned::now(), 4)
}

fn stamp(name: &str, adapter: &Adapter, provenance: &Provenance, now: &Zoned, digits: usize) -> Adapter {
    let manifest = AdapterManifest {
        name: Some(name.to_owned()),
        version: Some(adapter.version_of(now, Some(provenance.rows), digits)),
        created: Some(now.timestamp().to_string()),
        rows: Some(provenance.rows),
        csv_sha256: provenance.csv_sha256.clone(),
        trained_ids: provenance.trained_ids.clone(),
        metrics: provenance.metrics.clone(),
        calibration: provenance.calibration.clone(),
        learnt: provenance.learnt.clone(),
        ..Default::default()
    };
    adapter.with_manifest(name, manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{AdapterBase, LoraConfig};
    use crate::model::{APART, Sites};
    use crate::options::from_file;
    use crate::tensor::Device;

    fn base() -> AdapterBase {
        AdapterBase {
            sha256: Some("ab12".into()),
            ..AdapterBase::new(Sites { table: &APART, num_layers: 1 }, &Device::host(), |_| (8, 8)).named("base")
        }
    }

    fn provenance() -> Provenance {
        let metrics = Map::from_iter([("validation_loss".to_owned(), json!(0.5))]);
        let calibration = Some(crate::adapter::calibration::tests::calibration(120));
        let numbers = vec!["30".to_owned()];
        let learnt = LearntRows { numbers, ..Default::default() };
        Provenance { rows: 842, csv_sha256: Some("cd34".into()), trained_ids: None, metrics, calibration, learnt }
    }

    #[test]
    fn versions_are_named_by_date_rows_and_rank_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(&dir.path().join("a/run"), &TrainOptions::default()).unwrap();
        let config = LoraConfig { r: 3, ..Default::default() };
        let adapter = Adapter::new_for_training(&config, base(), 1).unwrap();
        let (path, saved) = run.save_adapter("hr_review", &adapter, &provenance()).unwrap();
        let today = Zoned::now().strftime("%Y%m%d").to_string();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("hr_review-{}", saved.version()));
        assert_eq!(saved.version(), format!("{today}-n842-r3-{}", &adapter.sha256()[..4]));

        let loaded = Adapter::load(&path, base()).unwrap();
        assert_eq!((loaded.name(), loaded.version()), ("hr_review", saved.version()));
        assert_eq!(loaded.info()["manifest"]["rows"], 842);
        assert_eq!(loaded.info()["manifest"]["metrics"]["validation_loss"], 0.5);
        assert_eq!(loaded.info()["manifest"]["base"]["sha256"], "ab12");
        assert_eq!(loaded.info()["manifest"]["csv_sha256"], "cd34");
        assert_eq!(loaded.manifest().calibration, provenance().calibration);
        assert_eq!(loaded.manifest().learnt, provenance().learnt);

        // The same bits again: another folder, a longer hash.
        let (again, saved) = run.save_adapter("hr_review", &adapter, &provenance()).unwrap();
        assert_ne!(again, path);
        assert!(saved.version().ends_with(&adapter.sha256()[..8]));
        assert_eq!(std::fs::read_dir(dir.path().join("a/run/adapters")).unwrap().count(), 2);
        assert_eq!(named_version("hr_review", &adapter, &provenance()).name(), "hr_review");
    }

    #[test]
    fn a_run_leaves_its_config_and_figures() {
        let dir = tempfile::tempdir().unwrap();
        let options = TrainOptions { r: 12, ..Default::default() };
        let mut run = RunDir::open(dir.path(), &options).unwrap();
        run.log("train", 1, &[("loss", 2.5), ("learning_rate", 1e-4)]);
        run.log("validation", 1, &[("loss", 2.25)]);
        assert!(run.notes.sentences().is_empty());
        drop(run);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(from_file::<TrainOptions>(&dir.path().join("config.json")).unwrap(), options);
        let lines: Vec<Value> = read("metrics.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({"kind": "train", "step": 1, "loss": 2.5, "learning_rate": 1e-4}));
        assert_eq!(lines[1]["kind"], "validation");

        RunDir::open(dir.path(), &options).unwrap().log("train", 2, &[("loss", 2.0)]);
        assert_eq!(read("metrics.jsonl").lines().count(), 3);
        let events =
            std::fs::read_dir(dir.path()).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        assert_eq!(events.filter(|name| name.starts_with("events.out.tfevents.")).count(), 2);

        let file = dir.path().join("config.json");
        assert_eq!(RunDir::open(&file, &options).unwrap_err().code(), Code::Io);
    }
}
