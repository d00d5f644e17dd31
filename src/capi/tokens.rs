//! Texts as token ids and back.

use super::args::{clear, list, options, required, sized_text};
use super::status::tailora_status;
use super::text::give;
use super::types::*;
use super::{guard, handle, worker};
use serde_json::json;
use std::ffi::c_char;

/// The token ids of a text, with no special tokens around it: a JSON object with `ids`.
///
/// `text`: `text_len` bytes of UTF-8, at most 16 MiB; (NULL, 0) is the empty text. `options_json`: see
/// `tailora_options_schema("tokenize")`; NULL for defaults, by which nothing in the text becomes a control token.
/// Ownership: the caller frees `*ids_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_INVALID_OPTIONS`,
/// `TAILORA_ERR_TOKENIZER`, `TAILORA_ERR_OUT_OF_MEMORY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_tokenize(
    model: *const tailora_model,
    text: *const c_char,
    text_len: usize,
    options_json: *const c_char,
    ids_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(ids_json);
        guard::run(err, || {
            required(ids_json, "ids_json")?;
            let model = handle::get(model)?;
            let (text, options) = (sized_text(text, text_len, "text")?, options(options_json)?);
            let nests = options.are_given();
            let work = move || Ok(json!({ "ids": model.tokenize(&text, &options.parse()?)? }).to_string());
            give(ids_json, if nests { worker::run(work) } else { worker::brief(work) }?)
        })
    }
}

/// The text of token ids: a JSON object with `text`, since a text may hold a NUL. Bytes that are no whole character
/// become U+FFFD.
///
/// `ids`: `ids_len` token ids of the model's vocabulary; (NULL, 0) are none. `options_json`: see
/// `tailora_options_schema("tokenize")`; NULL for defaults, by which control tokens are left out.
/// Ownership: the caller frees `*text_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT` (also for an id outside the vocabulary, whose
/// place is `index` in the details), `TAILORA_ERR_INVALID_OPTIONS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_model_detokenize(
    model: *const tailora_model,
    ids: *const u32,
    ids_len: usize,
    options_json: *const c_char,
    text_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(text_json);
        guard::run(err, || {
            required(text_json, "text_json")?;
            let model = handle::get(model)?;
            let (ids, options) = (list(ids, ids_len, "ids")?.to_vec(), options(options_json)?);
            let nests = options.are_given();
            let work = move || Ok(json!({ "text": model.detokenize(&ids, &options.parse()?)? }).to_string());
            give(text_json, if nests { worker::run(work) } else { worker::brief(work) }?)
        })
    }
}
