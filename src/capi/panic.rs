//! Catches panics with their message and place.
//!
//! Only a panic hook learns the place, and hooks are global. Ours is put in once, at the first call, and passes on what
//! is not ours: a panic inside a call is recorded for that call and printed nowhere; one on a thread that the library
//! started is recorded for the call that waits for that thread; every other panic goes to the hook that was there before.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{PanicHookInfo, UnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

/// What was caught.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caught {
    pub(super) message: String,
    /// `file:line:column`, where it is known.
    pub(super) place: Option<String>,
}

thread_local! {
    /// How many calls of the library are on this thread's stack (a callback may call back in).
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// The last panic on a thread of the library itself; its waiting call knows it again by the message.
static ELSEWHERE: Mutex<Option<Caught>> = Mutex::new(None);

/// The library's own threads are named with this prefix.
const OWN_THREADS: &str = "tailora";

/// Runs `body`; a panic comes back as a value. A payload that is not a text is forgotten: dropping a foreign value may
/// itself panic.
pub(super) fn catch<T>(body: impl FnOnce() -> T + UnwindSafe) -> Result<T, Caught> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !record(info) {
                before(info);
            }
        }));
    });
    enter(1);
    let result = std::panic::catch_unwind(body);
    enter(-1);
    result.map_err(|payload| {
        let message = text(payload.as_ref());
        if !payload.is::<&str>() && !payload.is::<String>() {
            std::mem::forget(payload);
        }
        let here = LAST.try_with(|last| last.borrow_mut().take()).ok().flatten();
        here.or_else(|| {
            let mut elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
            elsewhere.take_if(|caught| caught.message == message)
        })
        .unwrap_or(Caught { message, place: None })
    })
}

fn enter(change: i32) {
    // Fails only while the thread ends, where no call of ours is made.
    let _ = DEPTH.try_with(|depth| depth.set(depth.get().wrapping_add_signed(change)));
}

/// Whether the panic is ours to report.
fn record(info: &PanicHookInfo<'_>) -> bool {
    let caught =
        || Caught { message: text(info.payload()), place: info.location().map(std::string::ToString::to_string) };
    if DEPTH.try_with(Cell::get).unwrap_or(0) > 0 {
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(caught())));
        return true;
    }
    if std::thread::current().name().is_some_and(|name| name.starts_with(OWN_THREADS)) {
        *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = Some(caught());
        return true;
    }
    false
}

fn text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without words".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_known_on_this_thread_and_on_our_own() {
        let here = catch(|| panic!("here")).unwrap_err();
        assert_eq!(here.message, "here");
        assert!(here.place.unwrap().starts_with(file!()));
        let there = catch(|| {
            let body = || assert_eq!(std::hint::black_box(1), 2, "there");
            let worker = std::thread::Builder::new().name("tailora-test".into()).spawn(body).unwrap();
            worker.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        })
        .unwrap_err();
        assert!(there.message.contains("there"), "{there:?}");
        assert!(there.place.unwrap().starts_with(file!()));
    }

    #[test]
    fn a_nested_call_keeps_the_outer_one_guarded() {
        let caught = catch(|| {
            assert!(catch(|| panic!("inner")).is_err());
            assert_eq!(std::hint::black_box(1), 2, "outer");
        });
        assert!(caught.unwrap_err().message.contains("outer"));
    }
}
