//! Base models.

use super::args::{clear, optional_handle, options, path, required, sized_text};
use super::progress::Callback;
use super::status::tailora_status;
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, handle, records, worker};
use crate::control::Monitor;
use crate::language_model::LanguageModel;
use crate::train;
use std::ffi::{c_char, c_void};
use std::time::Instant;

/// Loads a base model from a Hugging Face directory: `config.json`, safetensors (one file or sharded),
/// `tokenizer.json`, and a chat template where there is one; or from a GGUF file. Weights are never changed.
///
/// `path`: the directory, or the GGUF file. `options_json`: see `tailora_options_schema("model")`; NULL for defaults. `progress` (may be
/// NULL) is called on this thread with `user` and `TAILORA_PHASE_LOAD`. `cancel` may be NULL.
/// Ownership: the caller frees `*model` with `tailora_model_free`. Threads: any; blocks until the model is loaded.
/// Errors: `TAILORA_ERR_IO`, `TAILORA_ERR_MODEL_FORMAT`, `TAILORA_ERR_UNSUPPORTED` (architecture),
/// `TAILORA_ERR_TOKENIZER`, `TAILORA_ERR_DEVICE`, `TAILORA_ERR_OUT_OF_MEMORY`, `TAILORA_ERR_INVALID_OPTIONS`,
/// `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_CANCELLED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_load(
    path: *const c_char,
    options_json: *const c_char,
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    model: *mut *mut tailora_model,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(model);
        guard::run(err, || {
            required(model, "model")?;
            let (path, options) = (self::path(path, "path")?, options(options_json)?);
            let work = move |monitor: &mut Monitor<'_>| {
                let begun = Instant::now();
                let loaded = LanguageModel::load(&path, &options.parse()?, monitor)?;
                records::model_loaded(&loaded.info(), begun);
                Ok(loaded)
            };
            let loaded = worker::monitored(Callback::new(progress, user), &cancels::optional(cancel)?, work)?;
            model.write(handle::insert(loaded)?);
            Ok(())
        })
    }
}

/// What the model is, a JSON object: `name`, `path`, `model_type`, its sizes (`vocab_size`, `max_position_embeddings` …),
/// `chat_template` (whether it has one), `device`, `dtype`, `threads`, `tokenizer_sha256` and so on.
///
/// Ownership: the caller frees `*info_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_info(
    model: *const tailora_model,
    info_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(info_json);
        guard::run(err, || {
            required(info_json, "info_json")?;
            let model = handle::get(model)?;
            give(info_json, worker::brief(move || Ok(model.info().to_string()))?)
        })
    }
}

/// How many tokens the model's tokenizer makes of a text, without any special tokens around it.
///
/// `text`: `text_len` bytes of UTF-8; (NULL, 0) is the empty text. `*count` is 0 on an error. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_TOKENIZER`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_count_tokens(
    model: *const tailora_model,
    text: *const c_char,
    text_len: usize,
    count: *mut u64,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        if !count.is_null() {
            count.write(0);
        }
        guard::run(err, || {
            required(count, "count")?;
            let (model, text) = (handle::get(model)?, sized_text(text, text_len, "text")?);
            count.write(worker::brief(move || model.count_tokens(&text))? as u64);
            Ok(())
        })
    }
}

/// Predicts what `tailora_train` with the same model, dataset and options would take: `memory` (bytes at the peak, in
/// parts, and whether `max_memory` suffices) and `time` (seconds, if nothing ends the training early), a JSON object. It
/// runs a small part of the training to measure the speed, a few seconds on a small model, and keeps nothing of it.
///
/// `dataset` may be NULL: then memory is that of `batch_size` rows of `max_length` tokens, and `time` has the speed only.
/// `options_json`: as for `tailora_train`; NULL for defaults. `cancel` may be NULL.
/// Ownership: the caller frees `*estimate_json` with `tailora_string_free`. Threads: any; blocks until it is measured.
/// Errors: `TAILORA_ERR_TRAINING`, `TAILORA_ERR_CONTEXT_LENGTH`, `TAILORA_ERR_INVALID_OPTIONS`,
/// `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_CANCELLED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_estimate(
    model: *const tailora_model,
    dataset: *const tailora_dataset,
    options_json: *const c_char,
    cancel: *const tailora_cancel,
    estimate_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(estimate_json);
        guard::run(err, || {
            required(estimate_json, "estimate_json")?;
            let (model, dataset, options) = (handle::get(model)?, optional_handle(dataset)?, options(options_json)?);
            let work = move |monitor: &mut Monitor<'_>| {
                Ok(train::estimate(&model, dataset.as_deref(), &options.parse()?, monitor)?.to_string())
            };
            give(estimate_json, worker::monitored(None, &cancels::optional(cancel)?, work)?)
        })
    }
}

/// Frees a model. NULL is allowed and does nothing. Sessions, adapters and calls that use it keep what they need; its
/// memory goes with the last of them.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not a model's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_free(model: *mut tailora_model) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(model) }
}
