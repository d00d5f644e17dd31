//! A tiny run that goes on from any bytes as its checkpoint, for fuzzers.

use super::job::Job;
use super::training_loop::Run;
use crate::adapter::TargetModules;
use crate::control::Monitor;
use crate::dataset::{Dataset, DatasetOptions, Examples};
use crate::error::{Code, Error, Result};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::train::batches::planned_runs;
use crate::train::estimate::{MemoryEstimate, Workload};
use crate::train::options::TrainOptions;
use crate::train::record::Checkpoint;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn options() -> TrainOptions {
    TrainOptions {
        r: 1,
        target_modules: TargetModules::List(vec!["q_proj".to_owned()]),
        max_steps: 3,
        eval_steps: 1,
        validation_folds: Some(0),
        memorisation_samples: 0,
        ..Default::default()
    }
}

/// What all runs share.
struct Ground {
    model: LanguageModel,
    dataset: Dataset,
    examples: Examples,
    options: TrainOptions,
    memory: MemoryEstimate,
}

impl Ground {
    fn new() -> Result<Self> {
        let one = ModelOptions { threads: 1, ..Default::default() };
        let model = LanguageModel::load(&fixture("models/qwen2"), &one, &mut Monitor::none())?;
        let rows = DatasetOptions { max_rows: Some(8), ..Default::default() };
        let dataset = Dataset::open_csv(&fixture("training/resume.csv"), &rows, &mut Monitor::none())?;
        let (options, examples) = (options(), dataset.examples(model.format(), 256, &mut Monitor::none())?);
        let memory = MemoryEstimate::of(&model, &Workload::of(&examples, &options), &options)?;
        Ok(Ground { model, dataset, examples, options, memory })
    }
}

/// Does `work` with the run at its beginning.
fn with_run<T>(work: impl FnOnce(Run<'_>) -> Result<T>) -> Result<T> {
    static GROUND: OnceLock<Result<Ground>> = OnceLock::new();
    let ground = GROUND.get_or_init(Ground::new).as_ref().map_err(Clone::clone)?;
    let Ground { model, dataset, examples, options, memory } = ground;
    let (memory, started) = (*memory, Instant::now());
    let job = Job { model, dataset, options, examples, memory, started };
    let planned = planned_runs(&examples.strata, options).remove(0);
    work(Run::new(job, planned, None)?)
}

/// Goes on from `bytes`, whatever run they say they are of, to the end.
pub(crate) fn resume_from(bytes: &[u8]) -> Result<()> {
    // First, since most bytes are none: a run is begun for those alone that are.
    let checkpoint = Checkpoint::parse(bytes).map_err(|what| Error::new(Code::Training, what))?;
    with_run(|mut run| {
        let identity = checkpoint.state["identity"].as_str().unwrap_or_default().to_owned();
        run.restore(checkpoint, &identity)?;
        run.execute(&mut Monitor::none())?;
        run.failure.take().map_or(Ok(()), Err)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A checkpoint after two of three steps.
    fn whole() -> Checkpoint {
        with_run(|mut run| {
            run.plan.until = 2;
            run.execute(&mut Monitor::none())?;
            run.checkpoint()
        })
        .unwrap()
    }

    fn bytes_of(checkpoint: &Checkpoint) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        checkpoint.write(&dir.path().join("a")).unwrap();
        std::fs::read(dir.path().join("a")).unwrap()
    }

    #[test]
    fn a_whole_checkpoint_goes_on_and_counters_that_cannot_be_are_refused() {
        resume_from(&bytes_of(&whole())).unwrap();
        for (pointer, value) in [
            ("/done/steps", json!(u64::MAX)),
            ("/done/steps", json!(4)),
            ("/optimizer_steps", json!(u64::MAX)),
            ("/done/tokens", json!(u64::MAX)),
            ("/done/trained_tokens", json!(u64::MAX)),
            ("/done/skipped_steps", json!(u64::MAX)),
            ("/done/bad_in_a_row", json!(u32::MAX)),
            ("/done/training/secs", json!(u64::MAX)),
            ("/validations_without_progress", json!(u32::MAX)),
            ("/best/step", json!(77)),
        ] {
            let mut damaged = whole();
            *damaged.state.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
            let err = resume_from(&bytes_of(&damaged)).expect_err(pointer);
            assert!(err.code() == Code::Training && err.message().contains("damaged"), "{pointer}: {err}");
        }
        let mut missing = whole();
        missing.tensors.clear();
        assert!(resume_from(&bytes_of(&missing)).unwrap_err().message().contains("is missing"));
    }

    /// `cargo test --lib writes_the_seed -- --ignored`: after a change of the format.
    #[test]
    #[ignore = "writes tests/corpus/checkpoint/whole.safetensors"]
    fn writes_the_seed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/checkpoint");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = bytes_of(&whole());
        std::fs::write(folder.join("whole.safetensors"), &bytes).unwrap();
        std::fs::write(folder.join("half.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
        let mut damaged = whole();
        damaged.state["done"]["training"]["secs"] = json!(u64::MAX);
        std::fs::write(folder.join("endless.safetensors"), bytes_of(&damaged)).unwrap();
    }

    #[test]
    fn the_seed_is_a_checkpoint() {
        let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/checkpoint/whole.safetensors");
        resume_from(&std::fs::read(seed).unwrap()).unwrap();
    }
}
