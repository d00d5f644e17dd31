//! The types of the header: opaque handles, and the few structs that cross the boundary by pointer.
//!
//! The structs' layouts are asserted here and in `tests/abi/layout.txt`'s other readers (C, C#).
#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

/// A base model: weights, tokenizer and chat template. Immutable: any number of threads may use one at the same time.
/// It may be freed while sessions, adapters or calls still use it; what they need lives until they end.
pub struct tailora_model {
    _opaque: [u8; 0],
}

/// A LoRA adapter of one base model. Immutable: any number of threads and sessions may use one at the same time.
/// It may be freed while attached; the session keeps what it needs.
pub struct tailora_adapter {
    _opaque: [u8; 0],
}

/// The checked rows of a CSV. Immutable: any number of threads may use one at the same time.
pub struct tailora_dataset {
    _opaque: [u8; 0],
}

/// A conversation with a model through a stack of adapters. Exclusive: one call at a time, from any thread; a second
/// concurrent call gets `TAILORA_ERR_BUSY`. Sessions of one model are independent of each other.
pub struct tailora_session {
    _opaque: [u8; 0],
}

/// A text being generated, chunk by chunk. Exclusive like a session, and independent of the session that opened it:
/// either may be freed first.
pub struct tailora_stream {
    _opaque: [u8; 0],
}

/// A folder of adapter versions, and names such as `production` that stand for one. Any number of threads and processes may
/// use one at the same time, whatever they do. What it gives out does not need it any more.
pub struct tailora_registry {
    _opaque: [u8; 0],
}

/// A request to stop. May be used from any thread at any time, also while the calls it was given to are running.
pub struct tailora_cancel {
    _opaque: [u8; 0],
}

/// What went wrong: a code, one sentence, and details as JSON. Immutable: any thread may read it. It belongs to
/// whoever received it, who frees it with `tailora_error_free`.
pub struct tailora_error {
    _opaque: [u8; 0],
}

/// Progress is about reading and converting weights; steps are tensors.
pub const TAILORA_PHASE_LOAD: i32 = 1;
/// Progress is about reading a file of rows, steps are bytes of its text; or about tokenizing rows, steps are rows.
pub const TAILORA_PHASE_PREPARE: i32 = 2;
/// Progress is about training; steps are optimizer steps.
pub const TAILORA_PHASE_TRAIN: i32 = 3;
/// Progress is about measuring the loss of the validation rows.
pub const TAILORA_PHASE_VALIDATE: i32 = 4;
/// Progress is about writing files.
pub const TAILORA_PHASE_SAVE: i32 = 5;
/// Progress is about answering rows that were held out, to calibrate confidences; steps are those of the training.
pub const TAILORA_PHASE_CALIBRATE: i32 = 6;
/// Progress is about the reports of a batch; steps are rows.
pub const TAILORA_PHASE_REPORT: i32 = 7;

/// A progress event. Later versions append fields: read only those that lie within `struct_size` bytes.
/// The event is borrowed: it is gone when the callback returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct tailora_progress {
    /// Size of this struct in the library that fills it, in bytes.
    pub struct_size: u32,
    /// What is being done: one of `TAILORA_PHASE_*`. Later versions may add phases.
    pub phase: i32,
    /// Steps done in this phase.
    pub step: u64,
    /// Steps of this phase in all; an upper bound while early stopping may end training.
    pub total_steps: u64,
    /// Passes over the data so far, with fraction. NaN where the event has none.
    pub epoch: f64,
    /// Mean loss per trained token of this step, in nats. NaN where the event has none.
    pub loss: f64,
    /// Mean loss per trained token of the validation rows, in nats. NaN where the event has none.
    pub validation_loss: f64,
    /// The learning rate of this step. NaN where the event has none.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping. NaN where the event has none.
    pub gradient_norm: f64,
    /// Trained tokens per second over the run so far. NaN where the event has none.
    pub tokens_per_second: f64,
    /// Seconds since the call began.
    pub elapsed_seconds: f64,
    /// Estimated seconds to the end. NaN where nothing can be said yet.
    pub eta_seconds: f64,
}

/// Receives progress on the thread that made the call. Return 0 to go on; anything else stops the work as a cancel
/// would. It may call any function of this library on other objects. It must not throw or `longjmp`.
pub type tailora_progress_fn = Option<unsafe extern "C" fn(event: *const tailora_progress, user: *mut c_void) -> i32>;

/// Logs only what went wrong.
pub const TAILORA_LOG_ERROR: i32 = 1;
/// Logs also what is worth a look.
pub const TAILORA_LOG_WARN: i32 = 2;
/// Logs also the milestones of long work.
pub const TAILORA_LOG_INFO: i32 = 3;
/// Logs also decisions and figures.
pub const TAILORA_LOG_DEBUG: i32 = 4;
/// Logs everything there is.
pub const TAILORA_LOG_TRACE: i32 = 5;

/// One log record. Later versions append fields: read only those that lie within `struct_size` bytes.
/// The record and its strings are borrowed: they are gone when the sink returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct tailora_log_event {
    /// Size of this struct in the library that fills it, in bytes.
    pub struct_size: u32,
    /// One of `TAILORA_LOG_*`.
    pub level: i32,
    /// The part of the library that speaks, e.g. `tailora::train`; UTF-8, NUL-terminated.
    pub target: *const c_char,
    /// The sentence, with its figures as ` name=value`; UTF-8, NUL-terminated.
    pub message: *const c_char,
}

/// Receives log records, on any thread, possibly on several at the same time; most come on threads of the library's own.
/// It may call any function of this library but `tailora_set_log_sink`. It must not throw or `longjmp`. Records that arise
/// from calls it makes itself are dropped.
pub type tailora_log_fn = Option<unsafe extern "C" fn(event: *const tailora_log_event, user: *mut c_void)>;

/// Where log records go. Set `struct_size` to `sizeof(tailora_log_sink)`; fields behind `struct_size` count as zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct tailora_log_sink {
    /// `sizeof(tailora_log_sink)`.
    pub struct_size: u32,
    /// The most detailed level wanted: one of `TAILORA_LOG_*`; 0 is `TAILORA_LOG_INFO`.
    pub max_level: i32,
    /// Receives the records; must not be NULL.
    pub log: tailora_log_fn,
    /// Handed to `log` as it is.
    pub user: *mut c_void,
}
