//! Measuring adapters.

use super::args::{clear, optional_handle, options, required, stack};
use super::progress::Callback;
use super::status::tailora_status;
use super::text::give;
use super::types::*;
use super::{cancel as cancels, guard, handle, records, worker};
use crate::adapter::Adapter;
use crate::control::Monitor;
use crate::evaluate;
use std::ffi::{c_char, c_void};

/// How well a model predicts the outputs of a dataset, without adapters and with a stack of them, a JSON object: loss
/// (mean per answer token, nats) and perplexity of `base` and `adapter` (null without adapters); and `memorisation`, how
/// much of the answers to the dataset's inputs is copied from the rows that were trained on (null without those). To say
/// something about new cases, the dataset's rows must not have been trained on.
///
/// `adapters`: `count` handles of adapters of this model, possibly none. `scales`: `count` finite numbers, or NULL for 1
/// each. `training` may be NULL: the dataset that the adapters were trained on. `options_json`: see
/// `tailora_options_schema("evaluate")`; NULL for defaults. `progress` (may be NULL) is called on this thread with `user`
/// and `TAILORA_PHASE_PREPARE` and `_VALIDATE`. `cancel` may be NULL.
/// Ownership: the caller frees `*evaluation_json` with `tailora_string_free`. Threads: any; blocks until all is measured.
/// Errors: `TAILORA_ERR_ADAPTER_MISMATCH`, `TAILORA_ERR_CONTEXT_LENGTH`, `TAILORA_ERR_INVALID_OPTIONS`,
/// `TAILORA_ERR_INVALID_HANDLE` (of an adapter, the details give the position as `index`),
/// `TAILORA_ERR_INVALID_ARGUMENT`, `TAILORA_ERR_CANCELLED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_evaluate(
    model: *const tailora_model,
    adapters: *const *const tailora_adapter,
    scales: *const f64,
    count: usize,
    dataset: *const tailora_dataset,
    training: *const tailora_dataset,
    options_json: *const c_char,
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    evaluation_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(evaluation_json);
        guard::run(err, || {
            required(evaluation_json, "evaluation_json")?;
            let (model, dataset, options) = (handle::get(model)?, handle::get(dataset)?, options(options_json)?);
            let (training, stack) = (optional_handle(training)?, stack(adapters, scales, count)?);
            let work = move |monitor: &mut Monitor<'_>| {
                let stack: Vec<(&Adapter, f64)> = stack.iter().map(|(adapter, scale)| (adapter, *scale)).collect();
                let options = options.parse()?;
                let found = evaluate::evaluate(&model, &stack, &dataset, training.as_deref(), &options, monitor)?;
                records::evaluated(&found);
                Ok(found.to_string())
            };
            let callback = Callback::new(progress, user);
            give(evaluation_json, worker::monitored(callback, &cancels::optional(cancel)?, work)?)
        })
    }
}
