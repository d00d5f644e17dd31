//! Streams: a text while it is being generated.

use super::args::{clear, options, required, sized_text};
use super::exclusive::Exclusive;
use super::handle;
use super::open_stream::{OpenStream, Work};
use super::status::{TAILORA_DONE, TAILORA_OK, tailora_status};
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, records, session, worker};
use crate::generate::GenerateOptions;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const NAME: &str = "stream";

/// Starts answering a prompt, as `tailora_session_generate` does, chunk by chunk. Nothing is computed between calls. The
/// stream keeps the adapters that are attached now; the session may be used, changed or freed meanwhile.
///
/// `prompt`, `options_json`: as for `tailora_session_generate`. `cancel` (may be NULL) ends the stream at its next call.
/// Ownership: the caller frees `*stream` with `tailora_stream_free`. Threads: one call on a session at a time.
/// Errors: as for `tailora_session_generate`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_stream_open(
    session: *mut tailora_session,
    prompt: *const c_char,
    prompt_len: usize,
    options_json: *const c_char,
    cancel: *const tailora_cancel,
    stream: *mut *mut tailora_stream,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(stream);
        guard::run(err, || {
            required(stream, "stream")?;
            let session = handle::get(session)?;
            let prompt = sized_text(prompt, prompt_len, "prompt")?;
            let (options, cancel) = (options(options_json)?, cancels::optional(cancel)?);
            let work = worker::run(move || {
                let options: GenerateOptions = options.parse()?;
                let stream = session.enter(session::NAME)?.stream(&prompt, &options)?;
                Ok(Work { stream, cancel, lists_tokens: options.lists_tokens(), begun: Instant::now(), ended: false })
            })?;
            stream.write(handle::insert(OpenStream { work: Exclusive::new(work), chunk: Mutex::default() })?);
            Ok(())
        })
    }
}

/// The next chunk of text: whole UTF-8 characters, one or more. `TAILORA_OK` with a chunk, `TAILORA_DONE` at the end,
/// then without one (NULL, 0), as often as it is asked.
///
/// `chunk` receives the text, also NUL-terminated; `chunk_len` (may be NULL) its bytes without the NUL.
/// Ownership: the chunk is borrowed until the next call on this stream. Threads: one call on a stream at a time.
/// Errors: `TAILORA_ERR_SCHEMA`, `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_OUT_OF_MEMORY`,
/// `TAILORA_ERR_DEVICE`, `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_stream_next(
    stream: *mut tailora_stream,
    chunk: *mut *const c_char,
    chunk_len: *mut usize,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(chunk.cast::<*mut c_char>());
        if !chunk_len.is_null() {
            chunk_len.write(0);
        }
        guard::status(err, || {
            required(chunk, "chunk")?;
            let stream = handle::get(stream)?;
            let working = stream.clone();
            let next = worker::run(move || {
                let Work { stream, cancel, begun, ended, .. } = &mut *working.work.enter(NAME)?;
                let next = stream.next(cancel)?;
                match &next {
                    Some(text) => records::chunk_given(text.len()),
                    None if std::mem::replace(ended, true) => {}
                    None => records::text_generated(&stream.summary().to_json(false), *begun),
                }
                Ok(next)
            })?;
            let Some(text) = next else { return Ok(TAILORA_DONE) };
            let len = text.len();
            let mut held = stream.chunk.lock().unwrap_or_else(PoisonError::into_inner);
            *held = text.into_bytes();
            held.push(0);
            chunk.write(held.as_ptr().cast());
            if !chunk_len.is_null() {
                chunk_len.write(len);
            }
            Ok(TAILORA_OK)
        })
    }
}

/// The same JSON object that `tailora_session_generate` gives, for what the stream has produced so far; `finish_reason`
/// is `cancelled` until it has ended.
///
/// Ownership: the caller frees `*summary_json` with `tailora_string_free`. Threads: one call on a stream at a time.
/// Errors: `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_stream_summary(
    stream: *mut tailora_stream,
    summary_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(summary_json);
        guard::run(err, || {
            required(summary_json, "summary_json")?;
            let stream = handle::get(stream)?;
            let summary = worker::run(move || {
                let work = stream.work.enter(NAME)?;
                Ok(work.stream.summary().to_json(work.lists_tokens).to_string())
            })?;
            give(summary_json, summary)
        })
    }
}

/// The tokens of a stream: of its prompt, role prompt and template included, and of the text so far, as
/// `tailora_stream_summary` has them but without the text, so that it may be asked after each chunk.
///
/// `prompt_tokens`, `completion_tokens`: either may be NULL; both are 0 on an error. Threads: one call on a stream at a time.
/// Errors: `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_stream_usage(
    stream: *mut tailora_stream,
    prompt_tokens: *mut u64,
    completion_tokens: *mut u64,
    err: *mut *mut tailora_error,
) -> tailora_status {
    let give = |count: *mut u64, tokens: usize| {
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write(tokens as u64) };
        }
    };
    give(prompt_tokens, 0);
    give(completion_tokens, 0);
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let stream = handle::get(stream)?;
            let usage = worker::brief(move || Ok(stream.work.enter(NAME)?.stream.usage()))?;
            give(prompt_tokens, usage.prompt_tokens);
            give(completion_tokens, usage.completion_tokens);
            Ok(())
        })
    }
}

/// Frees a stream, ended or not. NULL is allowed and does nothing. A chunk it gave out must not be read afterwards.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not a stream's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_stream_free(stream: *mut tailora_stream) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(stream) }
}
