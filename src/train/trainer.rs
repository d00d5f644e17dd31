//! Training: rows in, the best adapter out.

use super::data::split;
use super::folds;
use super::memory::MemoryEstimate;
use super::options::TrainOptions;
use super::outcome;
use super::plan::{Job, Part, Plan};
use super::run::Run;
use super::run_dir::RunDir;
use super::workload::Workload;
use crate::adapter::Adapter;
use crate::control::Monitor;
use crate::dataset::Dataset;
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::options::Options;
use serde_json::Value;
use std::time::Instant;

/// What training gives back.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The best adapter: that of the lowest validation loss, or the last one without validation rows.
    pub adapter: Adapter,
    /// How it went: steps, losses, speed, why it ended, where it was saved; `evaluation` against the base model and
    /// `memorisation`, with `folds` where there were any.
    pub summary: Value,
}

/// Trains an adapter for `model` on `dataset`.
///
/// On the CPU the result is a function of the options, the rows and the number of threads: the same seed gives the same
/// bits. When the host cancels after the first step, the best adapter so far is returned and the summary's
/// `stop_reason` is `cancelled`; when an error comes after it, `failed`, with the `error`. What fails beside the training
/// (files of the run directory, the last measurements) is a sentence in the summary's `notes`.
///
/// # Errors
/// `InvalidOptions`, `CsvFormat` (rows that do not fit), `OutOfMemory` (`max_memory` cannot be kept to), `Training` (nothing to train, or a loss that stays not
/// finite with no better step before), `Io` (`output_dir` is somebody else's, or cannot be written to), `Busy` (another
/// run has it), `Cancelled` before the first step is done.
pub fn train(
    model: &LanguageModel,
    dataset: &Dataset,
    options: &TrainOptions,
    monitor: &mut Monitor<'_>,
) -> Result<TrainOutcome> {
    options.validate()?;
    let max_length = options.max_length.min(model.decoder().config().max_position_embeddings);
    let examples = dataset.examples(model.format(), max_length, monitor)?;
    if examples.rows.is_empty() {
        return Err(Error::new(Code::Training, "the dataset has no row to train on"));
    }
    let workload = Workload::of(&examples.rows, options);
    let memory = MemoryEstimate::of(model, &workload, options)?;
    let checkpointing = memory.checkpointing(options)?;
    let _buffers = model.decoder().hold_buffers();
    let job = Job { model, dataset, options, examples: &examples, memory, checkpointing, started: Instant::now() };
    let files = options.output_dir.as_deref().map(|dir| RunDir::open(dir, options)).transpose()?;
    let folds = folds::count(examples.rows.len(), options);
    if folds > 0 {
        return folds::train(&job, files, folds, monitor);
    }
    let (train_rows, validation_rows) = split(examples.rows.len(), options.validation_share, options.seed);
    let plan = Plan::new(options, train_rows.len(), 0);
    let mut run = Run::new(job, Part::Whole, train_rows, validation_rows, plan, files)?;
    run.resume_if_asked()?;
    let stop_reason = run.execute(monitor)?;
    outcome::of_run(run, stop_reason, monitor)
}
