//! LoRA adapters.

use super::args::{clear, options, path, required, stack};
use super::guard;
use super::handle;
use super::status::tailora_status;
use super::text::give_json;
use super::types::*;
use crate::adapter::Adapter;
use crate::options::Options;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ffi::c_char;

/// Options of `tailora_adapter_load` and `tailora_adapter_merge`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdapterOptions {
    /// The name that reports show. By default what the adapter's manifest says, else its directory's name; `merged` for a merged one.
    name: Option<String>,
}

impl Options for AdapterOptions {
    const NAME: &'static str = "adapter";
}

/// Options of `tailora_adapter_save`. There are none yet: the parameter is there so that the first one needs no new
/// function.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct SaveOptions {}

impl Options for SaveOptions {
    const NAME: &'static str = "adapter save";
}

/// Loads a LoRA adapter in PEFT's format: a directory with `adapter_config.json` and `adapter_model.safetensors`.
/// Every tensor must be there, in the shape that `model` asks for, and no other.
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
            let options = options::<AdapterOptions>(options_json)?;
            let model = handle::get(model)?;
            let mut loaded = model.load_adapter(self::path(path, "path")?)?;
            if let Some(name) = options.name {
                loaded = loaded.renamed(&name);
            }
            adapter.write(handle::insert(loaded)?);
            Ok(())
        })
    }
}

/// Saves an adapter as a PEFT directory, which Python's PEFT and `tailora_adapter_load` read. The directory appears whole
/// or not at all: a full disk leaves nothing behind.
///
/// `path`: the directory, which must not be there yet or be empty: adapters are never overwritten, nor is anything else. `options_json`: NULL; no option
/// exists yet. Threads: any.
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
            options::<SaveOptions>(options_json)?;
            handle::get(adapter)?.save(self::path(path, "path")?)
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
            give_json(info_json, &handle::get(adapter)?.info())
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
            let options = options::<AdapterOptions>(options_json)?;
            let stack = stack(adapters, scales, count)?;
            let name = options.name.as_deref().unwrap_or("merged");
            merged.write(handle::insert(Adapter::merge(name, &stack)?)?);
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
