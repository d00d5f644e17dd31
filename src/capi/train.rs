//! Training.

use super::args::{clear, options, required};
use super::progress::Callback;
use super::status::{TAILORA_OK, TAILORA_STOPPED, tailora_status};
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, handle, records, worker};
use crate::control::Monitor;
use crate::train;
use std::ffi::{c_char, c_void};

/// Trains a LoRA adapter on a dataset. Of all the steps measured on the validation rows, the best one's adapter is given
/// out. The same seed gives the same bits on the CPU.
///
/// `options_json`: see `tailora_options_schema("train")`, among them `output_dir`, a new or empty directory or one of an
/// earlier run, which gets configuration, metrics, TensorBoard events and the adapter; NULL for defaults. `progress` (may
/// be NULL) is called on this thread with `user` and `TAILORA_PHASE_PREPARE`, `_TRAIN`, `_VALIDATE` and `_SAVE`.
/// `cancel` may be NULL.
/// `summary_json` may be NULL; it receives a JSON object with losses, steps, speed, `stop_reason`, where the adapter was
/// saved (`adapter_path`), and `notes`: sentences on what else the host should know.
/// Once the first optimizer step is done, what was learnt is given out. Files that cannot be written cost a note, no more:
/// if the adapter itself cannot be saved, `adapter_path` is null and `*adapter` has it.
/// Returns `TAILORA_STOPPED` when training ended before its end with the best adapter so far in `*adapter`: the host asked
/// to stop (`stop_reason` is `cancelled`), or an error came (`failed`, and `error` has its code, message and details).
/// Ownership: the caller frees `*adapter` with `tailora_adapter_free` and `*summary_json` with `tailora_string_free`.
/// Threads: any; blocks until training ends.
/// Errors: `TAILORA_ERR_TRAINING`, `TAILORA_ERR_IO` (`output_dir` holds files of others, or cannot be written to),
/// `TAILORA_ERR_BUSY` (another run is writing to `output_dir`; the details have its `pid` and when it `started`),
/// `TAILORA_ERR_OUT_OF_MEMORY`, `TAILORA_ERR_DEVICE`, `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_HANDLE`,
/// `TAILORA_ERR_INVALID_ARGUMENT`, and `TAILORA_ERR_CANCELLED` when the host asked to stop before the first step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_train(
    model: *const tailora_model,
    dataset: *const tailora_dataset,
    options_json: *const c_char,
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    adapter: *mut *mut tailora_adapter,
    summary_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(adapter);
        clear(summary_json);
        guard::status(err, || {
            required(adapter, "adapter")?;
            let (model, dataset, options) = (handle::get(model)?, handle::get(dataset)?, options(options_json)?);
            let work = move |monitor: &mut Monitor<'_>| {
                let options = options.parse()?;
                records::training_started(model.name(), dataset.rows().len(), &options);
                let outcome = train::train(&model, &dataset, &options, monitor)?;
                records::training_ended(&outcome.summary);
                let stopped = ["cancelled", "failed"].iter().any(|reason| outcome.summary["stop_reason"] == *reason);
                Ok((outcome.adapter, outcome.summary.to_string(), stopped))
            };
            let callback = Callback::new(progress, user);
            let (trained, summary, stopped) = worker::monitored(callback, &cancels::optional(cancel)?, work)?;
            adapter.write(handle::insert(trained)?);
            give(summary_json, summary)?;
            Ok(if stopped { TAILORA_STOPPED } else { TAILORA_OK })
        })
    }
}
