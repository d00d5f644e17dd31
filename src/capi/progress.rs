//! A host's progress callback and cancel handle as a `Monitor`.

use super::cancel;
use super::types::{tailora_cancel, tailora_progress, tailora_progress_fn};
use crate::control::{Control, Monitor, Progress};
use crate::error::Result;
use std::ffi::c_void;
use std::time::Duration;

/// Runs `work` with a monitor that reports to `progress` and obeys `cancel`.
///
/// # Safety
/// `progress` is NULL or may be called with `user` until this returns.
pub(super) unsafe fn monitored<T>(
    progress: tailora_progress_fn,
    user: *mut c_void,
    cancel: *const tailora_cancel,
    work: impl FnOnce(&mut Monitor<'_>) -> Result<T>,
) -> Result<T> {
    let cancel = cancel::optional(cancel)?;
    let Some(callback) = progress else { return work(&mut Monitor::new(&cancel, None)) };
    let mut report = |event: &Progress| {
        let event = encode(event);
        // SAFETY: the caller's promise; the event is a local that outlives the call.
        if unsafe { callback(&event, user) } == 0 { Control::Continue } else { Control::Stop }
    };
    work(&mut Monitor::new(&cancel, Some(&mut report)))
}

fn encode(event: &Progress) -> tailora_progress {
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
    use crate::error::Code;

    unsafe extern "C" fn stop_at_three(event: *const tailora_progress, user: *mut c_void) -> i32 {
        // SAFETY: the test passes a `u64`, and the library an event.
        let (event, seen) = unsafe { (&*event, &mut *user.cast::<u64>()) };
        assert_eq!(event.struct_size as usize, size_of::<tailora_progress>());
        assert!(event.loss.is_nan() && event.elapsed_seconds == 2.0);
        *seen = event.step;
        i32::from(event.step == 3)
    }

    #[test]
    fn a_callback_sees_the_figures_and_stops_the_work() {
        let mut seen = 0u64;
        let work = |monitor: &mut Monitor<'_>| {
            for step in 1..=10 {
                monitor.check()?;
                monitor.report(&Progress::new(Phase::Train, step, 10, Duration::from_secs(2)));
            }
            Ok(())
        };
        // SAFETY: `user` is the `u64` that the callback expects.
        let stopped =
            unsafe { monitored(Some(stop_at_three), (&raw mut seen).cast(), std::ptr::null(), work) }.unwrap_err();
        assert_eq!((stopped.code(), seen), (Code::Cancelled, 3));
        // SAFETY: no callback.
        unsafe { monitored(None, std::ptr::null_mut(), std::ptr::null(), work) }.unwrap();
    }

    #[test]
    fn phases_have_the_numbers_of_the_header() {
        let numbers = [Phase::Load, Phase::Prepare, Phase::Train, Phase::Validate, Phase::Save].map(|p| p as i32);
        let header = [
            TAILORA_PHASE_LOAD,
            TAILORA_PHASE_PREPARE,
            TAILORA_PHASE_TRAIN,
            TAILORA_PHASE_VALIDATE,
            TAILORA_PHASE_SAVE,
        ];
        assert_eq!(numbers, header);
    }
}
