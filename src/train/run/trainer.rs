//! Training: rows in, the best adapter out.

use super::cross_validation;
use super::job::Job;
use super::outcome::{self, TrainOutcome};
use super::training_loop::Run;
use crate::control::Monitor;
use crate::dataset::Dataset;
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::options::Options;
use crate::tensor::buffers::Shapes;
use crate::train::batches::planned_runs;
use crate::train::estimate::{MemoryEstimate, Workload};
use crate::train::options::TrainOptions;
use crate::train::record::RunDir;
use std::time::Instant;

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
    if !examples.can_be_trained_on() {
        return Err(Error::new(Code::Training, "the dataset has no row to train on"));
    }
    let workload = Workload::of(&examples, options);
    let memory = MemoryEstimate::of(model, &workload, options)?;
    memory.check()?;
    let _buffers = model.decoder().hold_buffers(Shapes::Change);
    let job = Job { model, dataset, options, examples: &examples, memory, started: Instant::now() };
    let files = options.output_dir.as_deref().map(|dir| RunDir::open(dir, options)).transpose()?;
    let mut runs = planned_runs(&examples.strata, options);
    let last = runs.pop().ok_or_else(|| Error::new(Code::Internal, "a training without a run"))?;
    if !runs.is_empty() {
        return cross_validation::train(&job, files, runs, last, monitor);
    }
    let mut run = Run::new(job, last, files)?;
    run.resume_if_asked()?;
    let stop_reason = run.execute(monitor)?;
    outcome::of_run(run, stop_reason, monitor)
}
