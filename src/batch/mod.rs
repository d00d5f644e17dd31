//! Many reports as one durable job: a file of cases in, a file of reports out, whatever interrupts it.
//!
//! ```text
//! JOB/tailora-batch.json     whose job this is: input, model, adapters and options
//! JOB/tailora-batch.lock     locked while a process works on it
//! JOB/reports.jsonl          a line for each row, in the order of the rows
//! ```
//!
//! The file of reports is the journal, too: a row's line is written when those of all rows before it are, by one call, and
//! is on the disk when the next one is. So its number of whole lines says how far the job came. What a kill costs is the
//! rows that were being written, or waited for a slower one before them; the same call writes them again, as they would
//! have been: a row's seed comes from the job's seed and the row's id, and the model reads each row as if it were alone.

mod cases;
mod job;
mod journal;
mod merge;
mod options;
mod run;

pub use merge::{MergeSummary, merge_shards};
pub use options::{BatchOptions, CaseFormat, Shard};

use crate::control::Monitor;
use crate::error::Result;
use crate::generate::Attached;
use crate::language_model::LanguageModel;
use crate::options::Options;
use cases::Cases;
use job::{Identity, JobFolder};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a batch went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchSummary {
    /// Rows of this job: of the file, or of the shard.
    pub rows: usize,
    /// Rows that have a report.
    pub reports: usize,
    /// Rows that have an error instead.
    pub failed: usize,
    /// Rows that earlier calls had written.
    pub resumed: usize,
    /// What this call took.
    pub seconds: f64,
    /// Rows that this call wrote, by the minute.
    pub rows_per_minute: f64,
    /// The file of reports.
    pub output: PathBuf,
}

/// Writes a report on each case in the file `input`, with `adapters` on the model, into the folder `job`; goes on where an
/// earlier call with the same arguments ended. Progress is reported once for every few rows, on the caller's thread.
///
/// A line has `row` and `line` of the case, its `id` if there is an `id_column`, and either `report`, or `error` with `code`,
/// `message` and `details`: a case that cannot be reported on costs no other row.
///
/// # Errors
/// `Io`: the folder is another job's (which says what differs, an input that changed with both hashes), or cannot be written
/// to. `Busy`: another process works on it. `InvalidOptions`, `CsvFormat`, `AdapterMismatch`. `Cancelled`: what is done stays.
pub fn batch(
    model: &LanguageModel,
    adapters: &[Attached],
    input: &Path,
    job: &Path,
    options: &BatchOptions,
    monitor: &mut Monitor<'_>,
) -> Result<BatchSummary> {
    options.validate()?;
    let begun = Instant::now();
    let cases = Cases::read(input, options, monitor)?;
    let identity = Identity::of(model, adapters, &cases, options)?;
    let cases: Vec<_> = cases.rows.into_iter().filter(|case| options.takes(case.row)).collect();
    let folder = JobFolder::open(job, &identity)?;
    let (mut journal, written) = journal::Journal::open(folder.reports(), &cases)?;
    let rest = &cases[written.rows()..];
    let done =
        run::Run { model, adapters, options, cases: rest, before: written.rows() }.write(&mut journal, monitor)?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(BatchSummary {
        rows: cases.len(),
        reports: written.reports + done.reports,
        failed: written.failed + done.failed,
        resumed: written.rows(),
        seconds,
        rows_per_minute: done.rows() as f64 / seconds * 60.0,
        output: folder.reports().to_owned(),
    })
}
