//! Many reports as one job.

use super::args::{clear, options, path, paths, stack};
use super::progress::Callback;
use super::status::tailora_status;
use super::text::{give, json, json_text};
use super::types::*;
use super::{cancel as cancels, guard, handle, records, worker};
use crate::batch;
use crate::control::Monitor;
use crate::generate::Attached;
use std::ffi::{c_char, c_void};

/// Writes a report on each case of a file, a CSV or JSON Lines, into the folder of a job: `reports.jsonl` there has a line for
/// each row, in the order of the rows, with `row`, `line`, `id` and either `report`, or `error` with `code`, `message` and
/// `details`: a row that cannot be reported on costs no other. The same call goes on where an earlier one ended, however it
/// ended; the reports are those of an unbroken run.
///
/// `adapters`: `count` handles of adapters of this model, possibly none, attached in their order. `scales`: `count` finite
/// numbers, or NULL for 1 each. `input`: the file of cases. `job`: a new or empty folder, or that of the same job.
/// `options_json`: see `tailora_options_schema("batch")`, among them `report` and `shard`; NULL for defaults. `progress` (may be
/// NULL) is called on this thread with `user` and `TAILORA_PHASE_REPORT`, once for every few rows: steps are rows, those of
/// earlier calls included, and `eta_seconds` goes by the pace of this call. `cancel` may be NULL.
/// `summary_json` may be NULL; it receives a JSON object: `rows`, `reports`, `failed`, `resumed` (rows of earlier calls),
/// `seconds`, `rows_per_minute` and `output`, the file of reports.
/// Ownership: the caller frees `*summary_json` with `tailora_string_free`. Threads: any; blocks until all rows are written.
/// Errors: `TAILORA_ERR_CANCELLED` (what is done stays; the details have `done` and `rows`), `TAILORA_ERR_IO` (`job` is
/// another job's folder, or cannot be written to), `TAILORA_ERR_BUSY` (another process works on the job),
/// `TAILORA_ERR_CSV_FORMAT`, `TAILORA_ERR_ADAPTER_MISMATCH`, `TAILORA_ERR_OUT_OF_MEMORY`, `TAILORA_ERR_DEVICE`,
/// `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_HANDLE` (of an adapter, the details give the position as `index`),
/// `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_batch_run(
    model: *const tailora_model,
    adapters: *const *const tailora_adapter,
    scales: *const f64,
    count: usize,
    input: *const c_char,
    job: *const c_char,
    options_json: *const c_char,
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    summary_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(summary_json);
        guard::run(err, || {
            let (model, options) = (handle::get(model)?, options(options_json)?);
            let stack = stack(adapters, scales, count)?;
            let stack: Vec<_> = stack.into_iter().map(|(adapter, scale)| Attached { adapter, scale }).collect();
            let (input, job) = (path(input, "input")?, path(job, "job")?);
            let work = move |monitor: &mut Monitor<'_>| {
                let summary = json(&batch::batch(&model, &stack, &input, &job, &options.parse()?, monitor)?)?;
                records::batch_written(&summary);
                Ok(summary.to_string())
            };
            let callback = Callback::new(progress, user);
            give(summary_json, worker::monitored(callback, &cancels::optional(cancel)?, work)?)
        })
    }
}

/// Puts the reports of all shards of a job into one new file, in the order of the rows; checks that no row is missing and none
/// there twice.
///
/// `jobs`: `count` folders, one for each shard, in any order. `output`: a file that is not there yet; it is whole or not there.
/// `summary_json` may be NULL; it receives a JSON object: `rows`, `reports`, `failed`.
/// Ownership: the caller frees `*summary_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (a folder is no shard's, the shards are not of one job, or one is missing or there
/// twice; of a NULL, the details give the position as `index`), `TAILORA_ERR_IO` (a shard is not finished, `output` is there).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_batch_merge(
    jobs: *const *const c_char,
    count: usize,
    output: *const c_char,
    summary_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(summary_json);
        guard::run(err, || {
            let (jobs, output) = (paths(jobs, count, "jobs")?, path(output, "output")?);
            give(summary_json, worker::run(move || json_text(&batch::merge_shards(&jobs, &output)?))?)
        })
    }
}
