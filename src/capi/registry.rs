//! Registries of adapters: versions, and the names that stand for them.

use super::args::{clear, optional_owned_text, options, owned_text, path, required};
use super::status::tailora_status;
use super::text::{give, json, json_text};
use super::types::*;
use super::{guard, handle, records, worker};
use crate::error::Result;
use crate::registry::{AuditEntry, Publication, Registry};
use serde_json::json;
use std::ffi::c_char;
use std::path::Path;
use std::time::Instant;

/// Opens a registry that is there: a folder of adapter versions, on a disk or a share.
///
/// Ownership: the caller frees `*registry` with `tailora_registry_free`. Threads: any, and any number of processes.
/// Errors: `TAILORA_ERR_IO` (there is none, or it is damaged), `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_open(
    path: *const c_char,
    registry: *mut *mut tailora_registry,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { opened(path, registry, err, Registry::open) }
}

/// Makes a registry of a new or empty folder, or opens the one that is there.
///
/// Ownership: the caller frees `*registry` with `tailora_registry_free`. Threads: any, and any number of processes.
/// Errors: `TAILORA_ERR_IO` (the folder holds something else or cannot be written to, or its file system has no locks),
/// `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_create(
    path: *const c_char,
    registry: *mut *mut tailora_registry,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { opened(path, registry, err, Registry::create) }
}

/// # Safety
/// As the header says of the functions above.
unsafe fn opened(
    path: *const c_char,
    registry: *mut *mut tailora_registry,
    err: *mut *mut tailora_error,
    open: fn(&Path) -> Result<Registry>,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(registry);
        guard::run(err, || {
            required(registry, "registry")?;
            let path = self::path(path, "path")?;
            registry.write(handle::insert(worker::run(move || open(&path))?)?);
            Ok(())
        })
    }
}

/// Adds an adapter as a version. The same adapter under the same name again is the version that is there: a call that was
/// killed can be repeated. A version appears whole, and never changes.
///
/// `options_json`: see `tailora_options_schema("publish")`: `name`, and `extra`, what the host keeps with the version; NULL for
/// defaults. `publication_json` may be NULL; it receives a JSON object: `version` (its name, as in
/// `hr_review-20261123-n842-r16-3f9c`), `published`, `created`, `rows`, `r`, `base`, `base_sha256`, `adapter_sha256`, `extra`.
/// Ownership: the caller frees `*publication_json` with `tailora_string_free`; the adapter stays its own. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_OPTIONS` (a name that is none), `TAILORA_ERR_INVALID_ARGUMENT` (the version is there with another
/// `extra`), `TAILORA_ERR_IO`, `TAILORA_ERR_BUSY`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_publish(
    registry: *const tailora_registry,
    adapter: *const tailora_adapter,
    options_json: *const c_char,
    publication_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(publication_json);
        guard::run(err, || {
            let (registry, adapter) = (handle::get(registry)?, handle::get(adapter)?);
            let options = options(options_json)?;
            let publication = worker::run(move || {
                let publication = registry.publish(&adapter, &options.parse()?)?;
                records::published(&publication);
                json_text(&publication)
            })?;
            give(publication_json, publication)
        })
    }
}

/// The version that an alias stands for, or the version of this name, a JSON object as `tailora_registry_publish` gives it.
///
/// `id`: NULL, or the employee whose version of an alias is asked for; of an alias that is split among versions it must be given.
/// The same id has the same version while the shares stay, and keeps the first one when its share grows.
/// Ownership: the caller frees `*publication_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (there is neither, the alias is split and `id` is NULL, or `id` is empty),
/// `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_resolve(
    registry: *const tailora_registry,
    alias_or_version: *const c_char,
    id: *const c_char,
    publication_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(publication_json);
        guard::run(err, || {
            required(publication_json, "publication_json")?;
            let registry = handle::get(registry)?;
            let (name, id) = (owned_text(alias_or_version, "alias_or_version")?, optional_owned_text(id, "id")?);
            let found = worker::run(move || json_text(&resolved(&registry, &name, id.as_deref())?))?;
            give(publication_json, found)
        })
    }
}

fn resolved(registry: &Registry, name: &str, id: Option<&str>) -> Result<Publication> {
    id.map_or_else(|| registry.resolve(name), |id| registry.resolve_for(name, id))
}

/// Loads the adapter that `tailora_registry_resolve` finds. One of another base model is refused, and one whose files are not
/// what was published.
///
/// `alias_or_version`, `id`: as there.
/// Ownership: the caller frees `*adapter` with `tailora_adapter_free`. Threads: any.
/// Errors: those of `tailora_registry_resolve`, `TAILORA_ERR_ADAPTER_MISMATCH`, `TAILORA_ERR_ADAPTER_FORMAT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_load(
    registry: *const tailora_registry,
    model: *const tailora_model,
    alias_or_version: *const c_char,
    id: *const c_char,
    adapter: *mut *mut tailora_adapter,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(adapter);
        guard::run(err, || {
            required(adapter, "adapter")?;
            let (registry, model) = (handle::get(registry)?, handle::get(model)?);
            let (name, id) = (owned_text(alias_or_version, "alias_or_version")?, optional_owned_text(id, "id")?);
            let loaded = worker::run(move || {
                let begun = Instant::now();
                let found = resolved(&registry, &name, id.as_deref())?;
                let loaded = registry.load(&model, &found.version)?;
                records::adapter_loaded(&loaded.info(), begun);
                Ok(loaded)
            })?;
            adapter.write(handle::insert(loaded)?);
            Ok(())
        })
    }
}

/// All versions in the order in which they were published, and all aliases with what they stand for, a JSON object:
/// `versions`, each as `tailora_registry_publish` gives it, and `aliases`, each with its `alias` and what `tailora_registry_promote`
/// gives.
///
/// Ownership: the caller frees `*list_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_IO` (damaged files), `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_list(
    registry: *const tailora_registry,
    list_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(list_json);
        guard::run(err, || {
            required(list_json, "list_json")?;
            let registry = handle::get(registry)?;
            let list = worker::run(move || {
                Ok(json!({ "versions": json(&registry.list()?)?, "aliases": json(&registry.aliases()?)? }).to_string())
            })?;
            give(list_json, list)
        })
    }
}

/// Whether a person's rows are in a version: `*contained` is 1 or 0, and 0 on an error.
///
/// `version`: its name. `id`: as in the `id_column` of the datasets that it was trained on.
/// Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no such version, or nobody knows: it was trained without an `id_column`),
/// `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_contains(
    registry: *const tailora_registry,
    version: *const c_char,
    id: *const c_char,
    contained: *mut i32,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        if !contained.is_null() {
            contained.write(0);
        }
        guard::run(err, || {
            required(contained, "contained")?;
            let registry = handle::get(registry)?;
            let (version, id) = (owned_text(version, "version")?, owned_text(id, "id")?);
            contained.write(worker::run(move || registry.contains(&version, &id))?.into());
            Ok(())
        })
    }
}

/// Adds a line to the registry's audit: who was reported on, kept as a salted hash, with which version, and when. It is on the
/// disk when this returns.
///
/// `id`: whom the report is about. `version`: the name of the version that wrote it. `alias`: the alias by which the version was
/// found, or NULL. `seed`: of the report's generation.
/// Threads: any, and any number of processes.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no such version), `TAILORA_ERR_IO`, `TAILORA_ERR_BUSY`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_audit(
    registry: *const tailora_registry,
    id: *const c_char,
    version: *const c_char,
    alias: *const c_char,
    seed: u64,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let registry = handle::get(registry)?;
            let (id, version) = (owned_text(id, "id")?, owned_text(version, "version")?);
            let alias = optional_owned_text(alias, "alias")?;
            worker::run(move || {
                let (id, version, alias) = (id.as_str(), version.as_str(), alias.as_deref());
                registry.audit(&AuditEntry { id, version, alias, seed })
            })
        })
    }
}

/// The audit's lines about a person, the oldest first, a JSON list: `time`, `id_hash`, `version`, `alias` (where there was one),
/// `seed`.
///
/// Ownership: the caller frees `*lines_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_IO` (a damaged line; the details have `line`), `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_audited(
    registry: *const tailora_registry,
    id: *const c_char,
    lines_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(lines_json);
        guard::run(err, || {
            required(lines_json, "lines_json")?;
            let (registry, id) = (handle::get(registry)?, owned_text(id, "id")?);
            give(lines_json, worker::run(move || json_text(&registry.audited(&id)?))?)
        })
    }
}

/// Frees a registry's handle; the folder stays. NULL is allowed and does nothing.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not a registry's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_registry_free(registry: *mut tailora_registry) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(registry) }
}
