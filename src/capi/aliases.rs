//! The names of a registry that stand for its versions.

use super::args::{clear, owned_text, required};
use super::status::tailora_status;
use super::text::{give, json_text};
use super::types::*;
use super::{guard, handle, records, worker};
use crate::error::{Code, Error, Result};
use crate::registry::{AliasChange, Registry, Share};
use std::ffi::c_char;

/// Lets an alias such as `production` stand for a version. Makes the alias if there is none; does nothing if it stands for that
/// already.
///
/// `change_json` may be NULL; it receives a JSON object: `number` (from 1), `time`, `action` (`promote`, `rollback`), `shares`
/// (each with `version` and `share`) and `before`, the number of the change that a rollback restores.
/// Ownership: the caller frees `*change_json` with `tailora_string_free`. Threads: any, and any number of processes.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no such version), `TAILORA_ERR_INVALID_OPTIONS` (a name that is none),
/// `TAILORA_ERR_IO`, `TAILORA_ERR_BUSY`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_promote(
    registry: *const tailora_registry,
    alias: *const c_char,
    version: *const c_char,
    change_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        changed(registry, alias, change_json, err, || {
            let version = owned_text(version, "version")?;
            Ok(move |registry: &Registry, alias: &str| registry.promote(alias, &version))
        })
    }
}

/// Lets an alias split employees among versions, for an A/B test: `tailora_registry_resolve` with an employee's id says whose is
/// which.
///
/// `shares_json`: a list of up to 16 `{"version": …, "share": …}`, whose shares, each above 0, add up to 1. `change_json`: as for
/// `tailora_registry_promote`. Ownership: the caller frees `*change_json` with `tailora_string_free`.
/// Threads: any, and any number of processes.
/// Errors: those of `tailora_registry_promote`; `TAILORA_ERR_INVALID_ARGUMENT` also for shares that are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_promote_split(
    registry: *const tailora_registry,
    alias: *const c_char,
    shares_json: *const c_char,
    change_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        changed(registry, alias, change_json, err, || {
            let shares = owned_text(shares_json, "shares_json")?;
            Ok(move |registry: &Registry, alias: &str| registry.promote_split(alias, &parsed(&shares)?))
        })
    }
}

fn parsed(text: &str) -> Result<Vec<Share>> {
    serde_json::from_str(text).map_err(|err| {
        let message = format!("the shares cannot be read: {err}; expected [{{\"version\": …, \"share\": …}}, …]");
        Error::new(Code::InvalidArgument, message).with("argument", "shares_json")
    })
}

/// Gives an alias back what it stood for before its last promotion; once more, what it stood for before that.
///
/// `change_json`: as for `tailora_registry_promote`. Ownership: the caller frees `*change_json` with `tailora_string_free`.
/// Threads: any, and any number of processes.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no such alias, or nothing before), `TAILORA_ERR_IO`, `TAILORA_ERR_BUSY`,
/// `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_rollback(
    registry: *const tailora_registry,
    alias: *const c_char,
    change_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        changed(registry, alias, change_json, err, || Ok(|registry: &Registry, alias: &str| registry.rollback(alias)))
    }
}

/// Does what all three above do around their change.
///
/// # Safety
/// As the header says of them.
unsafe fn changed<F: FnOnce(&Registry, &str) -> Result<AliasChange> + Send + 'static>(
    registry: *const tailora_registry,
    alias: *const c_char,
    change_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
    decode: impl FnOnce() -> Result<F>,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(change_json);
        guard::run(err, || {
            let (registry, alias, change) = (handle::get(registry)?, owned_text(alias, "alias")?, decode()?);
            let made = worker::run(move || {
                let made = change(&registry, &alias)?;
                records::alias_changed(&alias, &made);
                json_text(&made)
            })?;
            give(change_json, made)
        })
    }
}

/// The last 500 changes of an alias, the oldest first, a JSON list of what `tailora_registry_promote` gives.
///
/// Ownership: the caller frees `*changes_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no such alias), `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_history(
    registry: *const tailora_registry,
    alias: *const c_char,
    changes_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(changes_json);
        guard::run(err, || {
            required(changes_json, "changes_json")?;
            let (registry, alias) = (handle::get(registry)?, owned_text(alias, "alias")?);
            give(changes_json, worker::run(move || json_text(&registry.history(&alias)?))?)
        })
    }
}
