//! CSV rows as a dataset.

use super::args::{clear, options, path, required};
use super::progress::Callback;
use super::status::tailora_status;
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, handle, records, worker};
use crate::control::Monitor;
use crate::dataset::Dataset;
use std::ffi::{c_char, c_void};
use std::time::Instant;

/// Opens a CSV with the columns `input` and `output` (names are options; further columns are allowed): RFC 4180, UTF-8
/// with or without BOM, UTF-16, or GB18030, which is detected and reported. A first line `sep=;` is honoured.
///
/// `path`: the file. `options_json`: see `tailora_options_schema("dataset")`, among them `system`, the role prompt;
/// NULL for defaults. `progress` (may be NULL) is called on this thread with `user` and `TAILORA_PHASE_PREPARE`.
/// `cancel` may be NULL.
/// Ownership: the caller frees `*dataset` with `tailora_dataset_free`. Threads: any; blocks until the file is read.
/// Errors: `TAILORA_ERR_IO`, `TAILORA_ERR_CSV_FORMAT` (the details have `row` and `column`),
/// `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_CANCELLED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_dataset_open_csv(
    path: *const c_char,
    options_json: *const c_char,
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    dataset: *mut *mut tailora_dataset,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(dataset);
        guard::run(err, || {
            required(dataset, "dataset")?;
            let (path, options) = (self::path(path, "path")?, options(options_json)?);
            let work = move |monitor: &mut Monitor<'_>| {
                let begun = Instant::now();
                let opened = Dataset::open_csv(&path, &options.parse()?, monitor)?;
                records::dataset_opened(&opened.info(), begun);
                Ok(opened)
            };
            let opened = worker::monitored(Callback::new(progress, user), &cancels::optional(cancel)?, work)?;
            dataset.write(handle::insert(opened)?);
            Ok(())
        })
    }
}

/// What was read, a JSON object: `path`, `encoding`, `delimiter`, `rows`, `columns`, and what is worth a look before training.
///
/// Ownership: the caller frees `*info_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_dataset_info(
    dataset: *const tailora_dataset,
    info_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(info_json);
        guard::run(err, || {
            required(info_json, "info_json")?;
            let dataset = handle::get(dataset)?;
            give(info_json, worker::run(move || Ok(dataset.info().to_string()))?)
        })
    }
}

/// A row exactly as a model will see it in training, a JSON object: the text through the chat template, its tokens, and
/// which of them are trained. If the dataset cuts long rows, it is shown cut to the dataset's `max_length` (1024 tokens by
/// default), and `truncated` says what is not there.
///
/// `row`: its number as errors and findings give it: counted from 1, without the header line.
/// Ownership: the caller frees `*preview_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT` (no such row), `TAILORA_ERR_TOKENIZER`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_dataset_preview(
    dataset: *const tailora_dataset,
    model: *const tailora_model,
    row: u64,
    preview_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(preview_json);
        guard::run(err, || {
            required(preview_json, "preview_json")?;
            let (dataset, model) = (handle::get(dataset)?, handle::get(model)?);
            let row = usize::try_from(row).unwrap_or(usize::MAX);
            let preview = worker::run(move || {
                let context = model.decoder().config().max_position_embeddings;
                Ok(dataset.preview(model.format(), context, row)?.to_string())
            })?;
            give(preview_json, preview)
        })
    }
}

/// Frees a dataset. NULL is allowed and does nothing. A training that uses it goes on.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not a dataset's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_dataset_free(dataset: *mut tailora_dataset) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(dataset) }
}
