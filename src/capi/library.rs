//! The library itself: versions, build, options, leaks.

use super::args::{clear, path, required, text};
use super::status::{self, tailora_status};
use super::text::{give, live};
use super::types::tailora_error;
use super::{guard, handle, sets, worker};
use crate::tensor::{available_devices, cuda_problem};
use serde_json::{Value, json};
use std::ffi::{CStr, c_char};

/// Major version of the ABI that this header describes; it changes when a program must be compiled anew.
pub const TAILORA_ABI_MAJOR: u32 = 1;
/// Minor version of the ABI that this header describes; it grows with every addition.
pub const TAILORA_ABI_MINOR: u32 = 0;

/// The ABI of the loaded library: `major << 16 | minor`. A program may use a library with the same major and a minor
/// not below `TAILORA_ABI_MINOR` of the header it was compiled with. Not the package's version.
///
/// Threads: any. It cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn tailora_abi_version() -> u32 {
    guard::value(0, || Ok(TAILORA_ABI_MAJOR << 16 | TAILORA_ABI_MINOR))
}

/// The package's version, e.g. `0.1.0`.
///
/// Ownership: borrowed; valid for ever. Threads: any. It cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn tailora_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    guard::value(VERSION.as_ptr(), || Ok(VERSION.as_ptr()))
}

/// How the library was built and what it finds on this machine, a JSON object: `version`, `abi`, `target`, `features`,
/// `devices` (what the model option `device` may name), `cuda_problem` (in a build with CUDA, why there is no GPU to be had),
/// `threads`, `cpu` (instruction sets in use).
///
/// Ownership: the caller frees `*info_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` if `info_json` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_build_info(
    info_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(info_json);
        guard::run(err, || {
            required(info_json, "info_json")?;
            give(info_json, worker::run(|| Ok(build_info().to_string()))?)
        })
    }
}

fn build_info() -> Value {
    let mut features = vec!["capi"];
    if cfg!(feature = "cuda") {
        features.push("cuda");
    }
    if cfg!(feature = "panic-injection") {
        features.push("panic-injection");
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "abi": format!("{TAILORA_ABI_MAJOR}.{TAILORA_ABI_MINOR}"),
        "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "features": features,
        "devices": available_devices(),
        "cuda_problem": cuda_problem(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "cpu": instruction_sets(),
    })
}

fn instruction_sets() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    for (name, there) in [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", std::is_x86_feature_detected!("avx512bf16")),
        ("amx", crate::weights::multiplies_in_tiles()),
    ] {
        if there {
            found.push(name);
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}

/// The name of a status in this header, e.g. `TAILORA_ERR_BUSY`; `TAILORA_UNKNOWN` for one that it does not have.
///
/// Ownership: borrowed; valid for ever. Threads: any. It cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn tailora_status_name(status: tailora_status) -> *const c_char {
    guard::value(c"TAILORA_UNKNOWN".as_ptr(), || Ok(status::name(status).as_ptr()))
}

/// The JSON Schema of a set of options, with every option's meaning, default and range. `name` is the function family
/// that takes them: `model`, `adapter`, `dataset`, `train`, `evaluate`, `session`, `generate`, `score`, `report`, `tokenize`,
/// `batch`, `publish`, `docx`.
///
/// Ownership: the caller frees `*schema_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` for a NULL or a name that is none of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_options_schema(
    name: *const c_char,
    schema_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(schema_json);
        guard::run(err, || {
            required(schema_json, "schema_json")?;
            let name = text(name, "name")?.to_owned();
            give(schema_json, worker::run(move || Ok((sets::find(&name)?.schema)().to_string()))?)
        })
    }
}

/// Reads options from a YAML or JSON file and checks them, for any function that takes them: the result is what the file
/// says, as JSON, without the defaults of what it leaves out.
///
/// `path`: a file that ends in `.yaml`, `.yml` or `.json`, of at most 1 MiB. `name`: as for `tailora_options_schema`. Relative
/// paths among the options stay relative to the working directory.
/// Ownership: the caller frees `*options_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_OPTIONS` (the details have `path`, `option`, and the `line` in the file),
/// `TAILORA_ERR_INVALID_ARGUMENT` for a NULL or a name that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_options_from_file(
    path: *const c_char,
    name: *const c_char,
    options_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(options_json);
        guard::run(err, || {
            required(options_json, "options_json")?;
            let (path, name) = (self::path(path, "path")?, text(name, "name")?.to_owned());
            give(options_json, worker::run(move || Ok((sets::find(&name)?.given_in_file)(&path)?.to_string()))?)
        })
    }
}

/// How many handles and strings were given out and not freed: 0 in a program that has cleaned up.
///
/// Threads: any. It cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn tailora_live_handles() -> u64 {
    guard::value(0, || Ok(handle::live() + live()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::AdapterOptions;
    use crate::dataset::DatasetOptions;
    use crate::error::{Code, Error};
    use crate::evaluate::EvaluateOptions;
    use crate::generate::{GenerateOptions, SessionOptions};
    use crate::language_model::ModelOptions;
    use crate::options;
    use crate::report::ReportOptions;
    use crate::train::TrainOptions;

    fn refused(set: &str, json: &str) -> Error {
        let parsed = match set {
            "model" => options::parse::<ModelOptions>(Some(json)).map(drop),
            "adapter" => options::parse::<AdapterOptions>(Some(json)).map(drop),
            "dataset" => options::parse::<DatasetOptions>(Some(json)).map(drop),
            "train" => options::parse::<TrainOptions>(Some(json)).map(drop),
            "evaluate" => options::parse::<EvaluateOptions>(Some(json)).map(drop),
            "session" => options::parse::<SessionOptions>(Some(json)).map(drop),
            "generate" => options::parse::<GenerateOptions>(Some(json)).map(drop),
            "report" => options::parse::<ReportOptions>(Some(json)).map(drop),
            other => panic!("no set is named {other}"),
        };
        parsed.map_or_else(|err| err, |()| panic!("{set} takes {json}"))
    }

    #[test]
    fn what_other_tools_call_an_option_leads_to_one_that_is_there() {
        for (set, name) in options::targets() {
            let schema = (sets::find(set).unwrap().schema)();
            assert!(schema["properties"].get(name).is_some(), "there is no {set} option `{name}`");
        }
    }

    #[test]
    fn options_of_other_tools_are_named_or_said_to_be_none() {
        for (set, key, words) in [
            ("train", "per_device_train_batch_size", "it is called `batch_size` here"),
            ("train", "epochs", "it is called `num_train_epochs` here"),
            ("train", "num_epochs", "it is called `num_train_epochs` here"),
            ("train", "lr", "it is called `learning_rate` here"),
            ("train", "lora_r", "it is called `r` here"),
            ("train", "lora_rank", "it is called `r` here"),
            ("train", "rank", "it is called `r` here"),
            ("train", "alpha", "it is called `lora_alpha` here"),
            ("train", "patience", "it is called `early_stopping_patience` here"),
            ("train", "cutoff_len", "it is called `max_length` here"),
            ("train", "max_seq_length", "it is called `max_length` here"),
            ("train", "val_size", "it is called `validation_share` here"),
            ("train", "warmup_proportion", "it is called `warmup_ratio` here"),
            ("train", "num_warmup_steps", "it is called `warmup_steps` here"),
            ("train", "lora_target", "it is called `target_modules` here"),
            ("train", "optim", "there is none here; training uses AdamW"),
            ("train", "fp16", "there is none here; training computes in f32"),
            ("train", "modules_to_save", "there is none here; only LoRA"),
            ("train", "load_in_4bit", "it is `quantize` of the model options"),
            ("train", "system_prompt", "it is `system` of the dataset options"),
            ("model", "n_ctx", "it is `context_length` of the session options"),
            ("model", "ngl", "there is none here"),
            ("model", "load_in_4bit", "it is called `quantize` here"),
            ("model", "torch_dtype", "it is called `dtype` here"),
            ("session", "n_ctx", "it is called `context_length` here"),
            ("session", "max_new_tokens", "it is `max_tokens` of the generate options"),
            ("generate", "n_predict", "it is called `max_tokens` here"),
            ("generate", "max_new_tokens", "it is called `max_tokens` here"),
            ("generate", "max_completion_tokens", "it is called `max_tokens` here"),
            ("generate", "maxOutputTokens", "it is called `max_tokens` here"),
            ("generate", "do_sample", "there is none here; `temperature` 0 is greedy"),
            ("generate", "repeat_penalty", "it is called `repetition_penalty` here"),
            ("generate", "stop_sequences", "it is called `stop` here"),
            ("generate", "response_format", "it is called `json_schema` here"),
            ("report", "max_tokens", "it is called `generate.max_tokens` here"),
            ("report", "n_predict", "it is called `generate.max_tokens` here"),
            ("report", "temperature", "it is called `generate.temperature` here"),
            ("report", "response_format", "it is called `schema` here"),
            ("dataset", "sep", "it is called `delimiter` here"),
            ("evaluate", "batch_size", "there is none here"),
            ("adapter", "scale", "there is none here"),
        ] {
            let err = refused(set, &json!({ key: 1 }).to_string());
            assert_eq!(err.code(), Code::InvalidOptions);
            assert!(err.message().contains(words), "{set}: {err}");
            assert!(!err.message().contains("did you mean"), "{set}: {err}");
        }
        let err = refused("report", r#"{"generate":{"max_new_tokens":5}}"#);
        assert!(err.message().contains("`generate.max_new_tokens`: it is called `max_tokens` here"), "{err}");
    }

    #[test]
    fn a_list_is_not_taken_for_the_fields_of_an_object() {
        let err = refused("report", r#"{"generate":[5]}"#);
        assert_eq!((err.details()["option"].as_str(), err.code()), (Some("generate"), Code::InvalidOptions));
    }
}
