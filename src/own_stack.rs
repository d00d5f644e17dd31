//! Work whose depth the input decides (schemas, templates, files of tokenizers) runs on a stack of the library's own: a host's
//! thread may have 64 KiB of it or less.
//!
//! What may nest is bounded where it is read; this makes room for those bounds, whoever calls.

use crate::error::{Code, Error, Result};
use crate::memory;
use std::cell::Cell;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Only what is touched takes memory. Unoptimised builds need several times the stack of a release.
pub(crate) const BYTES: usize = 32 << 20;

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a thread with a stack of the library's own and waits for it; on such a thread, at once. A panic in
/// `work` goes on in the caller.
///
/// # Errors
/// `OutOfMemory` if the system gives no thread.
pub(crate) fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    if OWN.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = start_in(scope, work)?;
        thread.join().map_err(|payload| std::panic::resume_unwind(payload))
    })
}

/// Starts a thread with a stack of the library's own in a scope.
///
/// # Errors
/// `OutOfMemory` if the system gives no thread.
pub(crate) fn start_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    // A thread that has its stack, but no memory to begin with, ends the process.
    memory::probe(BYTES as u64)?;
    let work = || {
        OWN.set(true);
        work()
    };
    thread().spawn_scoped(scope, work).map_err(|err| none(&err))
}

/// Starts a thread with a stack of the library's own that runs `work` and is waited for by nobody.
///
/// # Errors
/// `OutOfMemory` if the system gives no thread.
pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> Result<()> {
    memory::probe(BYTES as u64)?;
    let work = || {
        OWN.set(true);
        work();
    };
    thread().spawn(work).map(drop).map_err(|err| none(&err))
}

/// Whether this thread has a stack of the library's own, or one that is taken for one.
pub(crate) fn is_own() -> bool {
    OWN.get()
}

/// Takes the stack of this thread, on which [`BYTES`] are left, for one of the library's own until the guard is dropped.
pub(crate) fn taken_for_own() -> impl Drop {
    struct Taken;
    impl Drop for Taken {
        fn drop(&mut self) {
            OWN.set(false);
        }
    }
    debug_assert!(!OWN.get());
    OWN.set(true);
    Taken
}

fn thread() -> Builder {
    // The name is known to `capi::panic`.
    Builder::new().name("tailora-stack".to_owned()).stack_size(BYTES)
}

fn none(err: &std::io::Error) -> Error {
    Error::new(Code::OutOfMemory, format!("the system gives no thread for this call: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(levels: u32) -> u32 {
        let room = std::hint::black_box([levels as u8; 1024]);
        if levels == 0 { u32::from(room[7]) } else { 1 + std::hint::black_box(depth(levels - 1)) }
    }

    #[test]
    fn a_small_stack_of_the_caller_suffices() {
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let thread = small.spawn(|| on_own_stack(|| on_own_stack(|| depth(10_000)).unwrap()).unwrap()).unwrap();
        assert_eq!(thread.join().unwrap(), 10_000);
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let caught = std::panic::catch_unwind(|| on_own_stack(|| -> u32 { panic!("row 17") }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"row 17"));
    }
}
