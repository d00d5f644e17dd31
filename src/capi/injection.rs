//! Forced panics, for the tests of `guard`. Never in a release.

use std::sync::atomic::{AtomicI32, Ordering};

static ARMED: AtomicI32 = AtomicI32::new(0);

/// The next `calls` guarded bodies panic; if `calls` is negative, as many pieces of work on threads of the library's own.
#[unsafe(no_mangle)]
pub extern "C" fn tailora_test_panic_next(calls: i32) {
    ARMED.store(calls, Ordering::SeqCst);
}

pub(super) fn strike() {
    if ARMED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left > 0).then(|| left - 1)).is_ok() {
        panic!("forced by a test");
    }
}

pub(super) fn strike_work() {
    if ARMED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left < 0).then(|| left + 1)).is_ok() {
        panic!("forced by a test");
    }
}
