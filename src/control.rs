//! How a host watches and stops long work: progress events and cancellation.

use crate::error::{Code, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A request to stop, usable from any thread; clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Nothing requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work that holds a clone to stop at its next check.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// `Code::Cancelled` once a stop was asked for.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(cancelled()) } else { Ok(()) }
    }
}

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "cancelled by the host")
}

/// What a progress event is about. The numbers are the C ABI's `TAILORA_PHASE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Phase {
    /// Reading and converting weights; steps are tensors.
    Load = 1,
    /// Reading a file of rows, steps are bytes of its text; or tokenizing rows, steps are rows.
    Prepare = 2,
    /// Optimizer steps.
    Train = 3,
    /// Forward passes over the validation rows.
    Validate = 4,
    /// Writing files.
    Save = 5,
    /// Answering held-out rows, to calibrate confidences.
    Calibrate = 6,
    /// Writing the reports of a batch; steps are rows.
    Report = 7,
}

/// One progress event. Figures that an event does not have are `None`.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Steps done and steps in all (an upper bound while early stopping may end the run).
    pub step: u64,
    /// See `step`.
    pub total_steps: u64,
    /// Passes over the data so far, with fraction.
    pub epoch: Option<f64>,
    /// Mean loss per trained token of this step, nats.
    pub loss: Option<f64>,
    /// Mean loss per trained token of the validation rows, nats.
    pub validation_loss: Option<f64>,
    /// The learning rate this step used.
    pub learning_rate: Option<f64>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Tokens per second, forward and backward, over the run so far.
    pub tokens_per_second: Option<f64>,
    /// Time since the work began.
    pub elapsed: Duration,
    /// Estimated time to the end.
    pub eta: Option<Duration>,
}

impl Progress {
    /// An event with only a count.
    pub fn new(phase: Phase, step: u64, total_steps: u64, elapsed: Duration) -> Self {
        let eta = (step > 0 && total_steps >= step).then(|| elapsed.mul_f64((total_steps - step) as f64 / step as f64));
        Progress {
            phase,
            step,
            total_steps,
            epoch: None,
            loss: None,
            validation_loss: None,
            learning_rate: None,
            gradient_norm: None,
            tokens_per_second: None,
            elapsed,
            eta,
        }
    }
}

/// What the host's progress callback answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop, as if the cancel token had been used.
    Stop,
}

/// A long call's line to its host: reports progress, learns of cancellation.
pub struct Monitor<'a> {
    cancel: Cancel,
    stopped: bool,
    progress: Option<&'a mut dyn FnMut(&Progress) -> Control>,
}

impl<'a> Monitor<'a> {
    /// Reports to `progress`, obeys `cancel`.
    pub fn new(cancel: &Cancel, progress: Option<&'a mut dyn FnMut(&Progress) -> Control>) -> Self {
        Monitor { cancel: cancel.clone(), stopped: false, progress }
    }

    /// Reports to nobody and is never cancelled.
    pub fn none() -> Self {
        Monitor { cancel: Cancel::new(), stopped: false, progress: None }
    }

    /// `Code::Cancelled` once the host asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.stopped { Err(cancelled()) } else { self.cancel.check() }
    }

    /// Reports an event. A `Stop` answer is remembered: the next `check` fails.
    pub fn report(&mut self, event: &Progress) {
        if let Some(progress) = self.progress.as_mut() {
            self.stopped |= progress(event) == Control::Stop;
        }
    }
}
