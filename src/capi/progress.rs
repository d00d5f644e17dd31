//! A host's progress callback, and the events it is given.

use super::types::{tailora_progress, tailora_progress_fn};
use crate::control::{Control, Progress};
use std::ffi::c_void;
use std::time::Duration;

/// A host's callback with what the host wants to be handed to it. Not `Send`: it is called on the thread of the call.
pub(super) struct Callback {
    call: unsafe extern "C" fn(*const tailora_progress, *mut c_void) -> i32,
    user: *mut c_void,
}

impl Callback {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `progress` is NULL or may be called with `user` for as long as this lives.
    pub(super) unsafe fn new(progress: tailora_progress_fn, user: *mut c_void) -> Option<Self> {
        progress.map(|call| Callback { call, user })
    }

    pub(super) fn call(&self, event: &tailora_progress) -> Control {
        // SAFETY: the promise of `new`; the event outlives the call.
        if unsafe { (self.call)(event, self.user) } == 0 { Control::Continue } else { Control::Stop }
    }
}

/// An event as C reads it.
pub(super) fn encode(event: &Progress) -> tailora_progress {
    let figure = |value: Option<f64>| value.unwrap_or(f64::NAN);
    tailora_progress {
        struct_size: size_of::<tailora_progress>() as u32,
        phase: event.phase as i32,
        step: event.step,
        total_steps: event.total_steps,
        epoch: figure(event.epoch),
        loss: figure(event.loss),
        validation_loss: figure(event.validation_loss),
        learning_rate: figure(event.learning_rate),
        gradient_norm: figure(event.gradient_norm),
        tokens_per_second: figure(event.tokens_per_second),
        elapsed_seconds: event.elapsed.as_secs_f64(),
        eta_seconds: figure(event.eta.as_ref().map(Duration::as_secs_f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::types::*;
    use crate::control::Phase;

    unsafe extern "C" fn stop_at_three(event: *const tailora_progress, user: *mut c_void) -> i32 {
        // SAFETY: the test passes a `u64`, and the library an event.
        let (event, seen) = unsafe { (&*event, &mut *user.cast::<u64>()) };
        assert_eq!(event.struct_size as usize, size_of::<tailora_progress>());
        assert!(event.loss.is_nan() && event.elapsed_seconds == 2.0);
        *seen = event.step;
        i32::from(event.step == 3)
    }

    #[test]
    fn a_callback_sees_the_figures_and_answers() {
        let mut seen = 0u64;
        // SAFETY: `user` is the `u64` that the callback expects.
        let callback = unsafe { Callback::new(Some(stop_at_three), (&raw mut seen).cast()) }.unwrap();
        let call = |step| callback.call(&encode(&Progress::new(Phase::Train, step, 10, Duration::from_secs(2))));
        assert_eq!((call(2), call(3)), (Control::Continue, Control::Stop));
        assert_eq!(seen, 3);
        // SAFETY: no callback.
        assert!(unsafe { Callback::new(None, std::ptr::null_mut()) }.is_none());
    }

    #[test]
    fn phases_have_the_numbers_of_the_header() {
        let phases =
            [Phase::Load, Phase::Prepare, Phase::Train, Phase::Validate, Phase::Save, Phase::Calibrate, Phase::Report];
        let numbers = phases.map(|phase| phase as i32);
        let header = [
            TAILORA_PHASE_LOAD,
            TAILORA_PHASE_PREPARE,
            TAILORA_PHASE_TRAIN,
            TAILORA_PHASE_VALIDATE,
            TAILORA_PHASE_SAVE,
            TAILORA_PHASE_CALIBRATE,
            TAILORA_PHASE_REPORT,
        ];
        assert_eq!(numbers, header);
    }
}
