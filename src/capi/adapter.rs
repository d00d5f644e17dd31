//! LoRA adapters.

use super::args::{clear, options, path, required, stack};
use super::status::tailora_status;
use super::text::give;
use super::types::*;
use super::{guard, handle, records, worker};
use crate::adapter::{Adapter, AdapterOptions};
use crate::error::{Code, Error};
use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ffi::c_char;
use std::time::Instant;

/// Options of `tailora_adapter_save`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct SaveOptions {
    /// Replace an adapter that is at the path. Any other content is left alone, and an error.
    overwrite: bool,
}

impl Options for SaveOptions {
    const NAME: &'static str = "adapter save";
}

/// Loads a LoRA adapter in PEFT's format: a directory with `adapter_config.json` and `adapter_model.safetensors`.
/// Every tensor must be there, in the shape that `model` asks for, and no other. An adapter that names other base weights is
/// refused unless `allow_base_mismatch` says otherwise; what else is worth knowing is in its info as `notes`.
///
/// `path`: the directory. `options_json`: see `tailora_options_schema("adapter")`; NULL for defaults.
/// Ownership: the caller frees `*adapter` with `tailora_adapter_free`. Threads: any.
/// Errors: `TAILORA_ERR_IO`, `TAILORA_ERR_ADAPTER_FORMAT`, `TAILORA_ERR_ADAPTER_MISMATCH`, `TAILORA_ERR_UNSUPPORTED`
/// (a PEFT feature that is not LoRA, `modules_to_save`), `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_load(
    model: *const tailora_model,
    path: *const c_char,
    options_json: *const c_char,
    adapter: *mut *mut tailora_adapter,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(adapter);
        guard::run(err, || {
            required(adapter, "adapter")?;
            let (model, path, options) = (handle::get(model)?, self::path(path, "path")?, options(options_json)?);
            let loaded = worker::run(move || {
                let begun = Instant::now();
                let loaded = model.load_adapter(&path, &options.parse::<AdapterOptions>()?)?;
                records::adapter_loaded(&loaded.info(), begun);
                Ok(loaded)
            })?;
            adapter.write(handle::insert(loaded)?);
            Ok(())
        })
    }
}

/// Saves an adapter as a PEFT directory, which Python's PEFT and `tailora_adapter_load` read. The directory appears whole
/// or not at all: a full disk leaves nothing behind.
///
/// `path`: the directory, which must not be there yet or be empty. `options_json`: NULL, or `{"overwrite": true}`, which
/// replaces the adapter that is there, and never anything else: where the file system can (Linux, macOS) in one step, the old
/// one or the new one whole at every moment. Threads: any.
/// Errors: `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_save(
    adapter: *const tailora_adapter,
    path: *const c_char,
    options_json: *const c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let (adapter, path, options) = (handle::get(adapter)?, self::path(path, "path")?, options(options_json)?);
            worker::run(move || {
                let options: SaveOptions = options.parse()?;
                if options.overwrite { adapter.save_over(&path) } else { adapter.save(&path) }
            })
        })
    }
}

/// What the adapter is, a JSON object: `name`, its PEFT configuration (`r`, `lora_alpha`, `target_modules` …), `parameters`
/// and so on.
///
/// Ownership: the caller frees `*info_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_info(
    adapter: *const tailora_adapter,
    info_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(info_json);
        guard::run(err, || {
            required(info_json, "info_json")?;
            let adapter = handle::get(adapter)?;
            give(info_json, worker::run(move || Ok(adapter.info().to_string()))?)
        })
    }
}

/// Makes one adapter of a stack, exactly: attached with scale 1 it gives what the stack gave (its rank is the sum of
/// theirs).
///
/// `adapters`: `count` handles of adapters of the same model, at least one. `scales`: `count` finite numbers, or NULL
/// for 1 each. `options_json`: as for `tailora_adapter_load`.
/// Ownership: the caller frees `*merged` with `tailora_adapter_free`; the adapters stay as they are. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE` (the details give the position as `index`), `TAILORA_ERR_ADAPTER_MISMATCH`,
/// `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_merge(
    adapters: *const *const tailora_adapter,
    scales: *const f64,
    count: usize,
    options_json: *const c_char,
    merged: *mut *mut tailora_adapter,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(merged);
        guard::run(err, || {
            required(merged, "merged")?;
            let (options, stack) = (options(options_json)?, stack(adapters, scales, count)?);
            let made = worker::run(move || {
                let options: AdapterOptions = options.parse()?;
                if options.allow_base_mismatch {
                    let message =
                        "option `allow_base_mismatch` is for loading; adapters that are merged share a loaded model";
                    return Err(Error::new(Code::InvalidOptions, message).with("option", "allow_base_mismatch"));
                }
                Adapter::merge(options.name.as_deref().unwrap_or("merged"), &stack)
            })?;
            merged.write(handle::insert(made)?);
            Ok(())
        })
    }
}

/// Frees an adapter. NULL is allowed and does nothing. Sessions it is attached to keep what they need.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not an adapter's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_free(adapter: *mut tailora_adapter) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(adapter) }
}
