//! Sessions: text and reports from a model through a stack of adapters.

use super::args::{clear, options, required, sized_text};
use super::exclusive::Exclusive;
use super::handle;
use super::status::{TAILORA_OK, TAILORA_STOPPED, tailora_status};
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, records, worker};
use crate::adapter::Adapter;
use crate::error::{Code, Error, Result};
use crate::generate::{FinishReason, GenerateOptions, Generation, ScoreOptions, Session, SessionOptions};
use crate::report;
use std::ffi::c_char;
use std::time::Instant;

pub(super) const NAME: &str = "session";

/// Makes a session on a model, with no adapter attached.
///
/// `options_json`: see `tailora_options_schema("session")`; NULL for defaults.
/// Ownership: the caller frees `*session` with `tailora_session_free`. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_ARGUMENT`,
/// `TAILORA_ERR_OUT_OF_MEMORY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_new(
    model: *const tailora_model,
    options_json: *const c_char,
    session: *mut *mut tailora_session,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(session);
        guard::run(err, || {
            required(session, "session")?;
            let (model, options) = (handle::get(model)?, options(options_json)?);
            let made = worker::run(move || Session::new(&model, &options.parse::<SessionOptions>()?))?;
            session.write(handle::insert(Exclusive::new(made))?);
            Ok(())
        })
    }
}

/// Attaches an adapter on top of those already attached; their contributions add up, each times its scale. Attaching
/// costs no copy of the weights. Other sessions of the model do not see it.
///
/// `scale`: a finite number; 1 is the adapter as it was trained, 0 switches it off.
/// Ownership: the adapter stays the caller's and may be freed while attached. Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_ADAPTER_MISMATCH` (another base model), `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`,
/// `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT` (the scale).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_attach(
    session: *mut tailora_session,
    adapter: *const tailora_adapter,
    scale: f64,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { with_scale(session, adapter, scale, err, Session::attach) }
}

/// Detaches an adapter, wherever in the stack it is; of one that was attached several times, the last one goes.
///
/// Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (not attached), `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`,
/// `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_detach(
    session: *mut tailora_session,
    adapter: *const tailora_adapter,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let (session, adapter) = (handle::get(session)?, handle::get(adapter)?);
            worker::run(move || session.enter(NAME)?.detach(&adapter))
        })
    }
}

/// Gives an attached adapter another scale, wherever in the stack it is; of one that was attached several times, the last
/// one.
///
/// `scale`: a finite number; 1 is the adapter as it was trained, 0 switches it off.
/// Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (not attached, or the scale), `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`,
/// `TAILORA_ERR_INVALID_HANDLE`. After an error it has the scale that it had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_set_scale(
    session: *mut tailora_session,
    adapter: *const tailora_adapter,
    scale: f64,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe { with_scale(session, adapter, scale, err, Session::set_scale) }
}

/// Answers a prompt, put through the model's chat template as the user's turn, after the conversation of the option
/// `messages` if there is one. The result is a JSON object: `text`, `finish_reason` (`stop`, `length`, `stop_string`,
/// `cancelled`), `seed`, `prompt_tokens`, `completion_tokens`; `tokens` with their log-probabilities where the option
/// `logprobs` asks for them, each with the most probable ones in its place as `top` where `top_logprobs` does; and for more
/// than one text (`n`) such an object for each of them as `choices`, the first being the one around them.
///
/// `prompt`: `prompt_len` bytes of UTF-8; (NULL, 0) is the empty prompt: with `messages` their last one is answered. `options_json`: see
/// `tailora_options_schema("generate")`; NULL for defaults. `cancel` may be NULL.
/// Returns `TAILORA_STOPPED` when the host asked to stop: the result is the text up to then.
/// Ownership: the caller frees `*result_json` with `tailora_string_free`. Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_CONTEXT_LENGTH`, `TAILORA_ERR_SCHEMA`, `TAILORA_ERR_TOKENIZER`, `TAILORA_ERR_OUT_OF_MEMORY`,
/// `TAILORA_ERR_DEVICE`, `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_INVALID_OPTIONS`,
/// `TAILORA_ERR_INVALID_HANDLE`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_generate(
    session: *mut tailora_session,
    prompt: *const c_char,
    prompt_len: usize,
    options_json: *const c_char,
    cancel: *const tailora_cancel,
    result_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(result_json);
        guard::status(err, || {
            required(result_json, "result_json")?;
            let session = handle::get(session)?;
            let (prompt, options) = (sized_text(prompt, prompt_len, "prompt")?, options(options_json)?);
            let cancel = cancels::optional(cancel)?;
            let (result, stopped) = worker::run(move || {
                let (begun, options) = (Instant::now(), options.parse::<GenerateOptions>()?);
                let choices = session.enter(NAME)?.choices(&prompt, &options, &cancel)?;
                choices.iter().for_each(|choice| records::text_generated(&choice.to_json(false), begun));
                let stopped = choices.iter().any(|choice| choice.finish_reason == FinishReason::Cancelled);
                Ok((Generation::choices_to_json(&choices, options.lists_tokens()).to_string(), stopped))
            })?;
            give(result_json, result)?;
            Ok(if stopped { TAILORA_STOPPED } else { TAILORA_OK })
        })
    }
}

/// Writes a report on one case, given by its fields: a JSON object
/// with `report`, `conclusions` (each with `confidence` and `confidence_kind`, the `sources` out of the input's fields that moved
/// it with their `influence`, the `noise` beside it, `grounded`, and what is `unsupported` by the input), `model`, `adapters` and
/// `generation`; with the option `protected`, `bias`. It always parses and validates.
///
/// An adapter that was trained here knows the order of its rows' fields: they are put to the model in that order.
///
/// `input`: `input_len` bytes of UTF-8, at most 1 MiB and 256 fields. A line `岗位:P7高级架构师,绩效:A/A-`: fields end at a comma,
/// semicolon, `、`, `|`, tab, line break or white space as wide as two blanks (also full-width) before the next `name:`; a
/// value in double quotes, its own doubled, holds any of these. Or a JSON object whose values are texts, numbers (kept
/// digit by digit), true or false. Or a table copied from a spreadsheet: a row of names and a row of values, or a column
/// of each. Objects and tables are put to the model as a line, in quotes where a value could be taken for a field. Names
/// are unique, without commas, colons or quotes; characters that nobody sees do not count in them.
/// `options_json`: see `tailora_options_schema("report")`; NULL for defaults.
/// `cancel` may be NULL.
/// Ownership: the caller frees `*report_json` with `tailora_string_free`. Threads: one call on a session at a time.
/// Errors: as for `tailora_session_generate`, and `TAILORA_ERR_CANCELLED`: half a report is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_report(
    session: *mut tailora_session,
    input: *const c_char,
    input_len: usize,
    options_json: *const c_char,
    cancel: *const tailora_cancel,
    report_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(report_json);
        guard::run(err, || {
            required(report_json, "report_json")?;
            let session = handle::get(session)?;
            let (input, options) = (sized_text(input, input_len, "input")?, options(options_json)?);
            let cancel = cancels::optional(cancel)?;
            let written = worker::run(move || {
                let (begun, options) = (Instant::now(), options.parse()?);
                let written = report::report(&mut *session.enter(NAME)?, &input, &options, &cancel)?;
                records::report_written(&written, begun);
                Ok(written.to_string())
            })?;
            give(report_json, written)
        })
    }
}

/// How probable a given text is as the answer to a prompt: a JSON object with `logprob` (the sum, in nats), `prompt_tokens`,
/// `completion_tokens` and `tokens`, each with its `id`, `logprob` and `text`. Nothing is generated.
///
/// `prompt`: as for `tailora_session_generate`. `completion`: `completion_len` bytes of UTF-8; (NULL, 0) is the empty one,
/// which has no tokens. `options_json`: see `tailora_options_schema("score")`; NULL for defaults. `cancel` may be NULL.
/// Ownership: the caller frees `*score_json` with `tailora_string_free`. Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_CONTEXT_LENGTH`, `TAILORA_ERR_TOKENIZER`, `TAILORA_ERR_OUT_OF_MEMORY`, `TAILORA_ERR_DEVICE`,
/// `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_HANDLE`,
/// `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_CANCELLED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_score(
    session: *mut tailora_session,
    prompt: *const c_char,
    prompt_len: usize,
    completion: *const c_char,
    completion_len: usize,
    options_json: *const c_char,
    cancel: *const tailora_cancel,
    score_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(score_json);
        guard::run(err, || {
            required(score_json, "score_json")?;
            let session = handle::get(session)?;
            let prompt = sized_text(prompt, prompt_len, "prompt")?;
            let completion = sized_text(completion, completion_len, "completion")?;
            let (options, cancel) = (options(options_json)?, cancels::optional(cancel)?);
            let scored = worker::run(move || {
                let (begun, options) = (Instant::now(), options.parse::<ScoreOptions>()?);
                let scored = session.enter(NAME)?.score_text(&prompt, &completion, &options, &cancel)?.to_json();
                records::text_scored(&scored, begun);
                Ok(scored.to_string())
            })?;
            give(score_json, scored)
        })
    }
}

/// Makes the session as new: detaches all adapters and forgets earlier prompts. (Between calls a session keeps nothing
/// of a prompt that could change a later answer; it only spares reading the same beginning twice.)
///
/// Threads: one call on a session at a time.
/// Errors: `TAILORA_ERR_BUSY`, `TAILORA_ERR_POISONED`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_reset(
    session: *mut tailora_session,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let session = handle::get(session)?;
            worker::run(move || session.enter(NAME)?.reset())
        })
    }
}

/// Frees a session. NULL is allowed and does nothing. A call that is running on it goes on to its end; streams that it
/// opened live on.
///
/// Errors: `TAILORA_ERR_INVALID_HANDLE` if it is not a session's handle, or was freed already. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_session_free(session: *mut tailora_session) -> tailora_status {
    // SAFETY: frees take no error.
    unsafe { super::free(session) }
}

/// Does something with an adapter and a scale, which has to be finite.
///
/// # Safety
/// As for the function that calls it.
unsafe fn with_scale(
    session: *mut tailora_session,
    adapter: *const tailora_adapter,
    scale: f64,
    err: *mut *mut tailora_error,
    work: fn(&mut Session, &Adapter, f64) -> Result<()>,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let (session, adapter) = (handle::get(session)?, handle::get(adapter)?);
            if !scale.is_finite() {
                let message = format!("`scale` is {scale}; expected a finite number");
                return Err(Error::new(Code::InvalidArgument, message).with("argument", "scale"));
            }
            worker::run(move || work(&mut *session.enter(NAME)?, &adapter, scale))
        })
    }
}
