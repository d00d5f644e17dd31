//! Threads of the library's own, on which calls do their work: a host's thread may have a stack of 64 KiB, and may round
//! as it likes. The caller waits here, and calls the host's progress callback when the work has something to tell. On a thread
//! with as much stack, which a binding may make for a stream, work is done in place: changing threads twice a token takes longer
//! than a small model does.
//!
//! Threads are kept, since a stream is asked once a token. One that the host forked away is gone, and says so.

use super::progress::{self, Callback};
use super::{guard, log, records, stack};
use crate::control::{Cancel, Control, Monitor, Progress};
use crate::error::{Code, Error, Result};
use crate::own_stack;
use crate::tensor::rounding;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Idle threads beyond this end: so many calls at the same time are rare.
const KEPT: usize = 8;

/// Does its work, and gives back how its end is told to the caller.
type Job = Box<dyn FnOnce() -> Told + Send>;
type Told = Box<dyn FnOnce()>;

static IDLE: Mutex<Vec<Sender<Job>>> = Mutex::new(Vec::new());

/// The process whose threads they are; 0 while there are none.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Runs `work` on a thread of the library's own and waits for it; on such a thread, or on one with as much stack left, at once.
///
/// # Errors
/// Those of `work`, `Internal` if it panics, `OutOfMemory` without a thread, `Unsupported` in a forked child.
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    monitored(None, &Cancel::new(), |_| work())
}

/// As [`run`], for work that takes little stack whatever it is given: on the caller's thread, if that has it.
///
/// # Errors
/// As for [`run`].
pub(super) fn brief<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if !stack::has_room() {
        return run(work);
    }
    // Another thread of the parent may have held what the work locks.
    check_process()?;
    let _default = rounding::default_until_dropped();
    #[cfg(feature = "panic-injection")]
    super::injection::strike_work();
    work()
}

/// As [`run`], for work that reports to `callback`, which is called on this thread, and obeys `cancel`.
pub(super) fn monitored<T: Send + 'static>(
    callback: Option<Callback>,
    cancel: &Cancel,
    work: impl FnOnce(&mut Monitor<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    check_process()?;
    let own = own_stack::is_own();
    if own || (callback.is_none() && stack::has(own_stack::BYTES)) {
        let _here = (!own).then(|| (own_stack::taken_for_own(), rounding::default_until_dropped()));
        let mut report = |event: &Progress| {
            records::progress(event);
            callback.as_ref().map_or(Control::Continue, |callback| callback.call(&progress::encode(event)))
        };
        #[cfg(feature = "panic-injection")]
        if !own {
            super::injection::strike_work();
        }
        return work(&mut Monitor::new(cancel, Some(&mut report)));
    }
    let (messages, received) = channel();
    let (answers, answered) = channel();
    let (cancel, reports, inside_sink) = (cancel.clone(), callback.is_some(), log::is_inside());
    let job = move || {
        let _inside = log::inside(inside_sink);
        let mut report = |event: &Progress| {
            records::progress(event);
            if !reports {
                return Control::Continue;
            }
            let told = messages.send(Message::Event(progress::encode(event)));
            told.ok().and_then(|()| answered.recv().ok()).unwrap_or(Control::Stop)
        };
        let result = guard::caught(|| {
            #[cfg(feature = "panic-injection")]
            super::injection::strike_work();
            work(&mut Monitor::new(&cancel, Some(&mut report)))
        });
        // A caller that is gone is waiting for nothing.
        Box::new(move || drop(messages.send(Message::Done(result)))) as Told
    };
    hand_over(Box::new(job))?;
    while let Ok(message) = received.recv() {
        match (message, &callback) {
            (Message::Done(result), _) => return result,
            (Message::Event(event), Some(callback)) => drop(answers.send(callback.call(&event))),
            (Message::Event(_), None) => {}
        }
    }
    Err(Error::new(Code::Internal, "a thread of the library ended without an answer"))
}

enum Message<T> {
    Event(super::types::tailora_progress),
    Done(Result<T>),
}

/// Refuses to wait for threads that a fork left behind.
fn check_process() -> Result<()> {
    let this = std::process::id();
    match PROCESS.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed) {
        Err(parent) if parent != this => Err(Error::new(
            Code::Unsupported,
            "this process was forked from one that had used the library, whose threads stayed there; call the library in \
             the parent, fork before its first call, or start a program with exec",
        )
        .with("parent_pid", parent)
        .with("pid", this)),
        _ => Ok(()),
    }
}

fn hand_over(job: Job) -> Result<()> {
    let idle = lock().pop();
    let rejected = match idle {
        Some(thread) => match thread.send(job) {
            Ok(()) => return Ok(()),
            Err(rejected) => rejected.0,
        },
        None => job,
    };
    start(rejected)
}

fn start(first: Job) -> Result<()> {
    let (thread, jobs) = channel::<Job>();
    own_stack::start(move || {
        rounding::set_default();
        let mut next = Some(first);
        while let Some(job) = next {
            let tell = job();
            // Idle before the caller knows: its next call shall find this thread, not start another.
            let keep = {
                let mut idle = lock();
                let keep = idle.len() < KEPT;
                if keep {
                    idle.push(thread.clone());
                }
                keep
            };
            tell();
            next = if keep { jobs.recv().ok() } else { None };
        }
    })
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Sender<Job>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::exclusive::Exclusive;
    use crate::control::Phase;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    #[test]
    fn a_panic_is_an_error_and_poisons_what_was_in_use() {
        let session = Arc::new(Exclusive::new(7));
        let used = session.clone();
        let err = run(move || -> Result<()> {
            let held = used.enter("session")?;
            panic!("{} is odd", *held)
        })
        .unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::Internal, "internal error: 7 is odd; please report it"));
        assert!(err.details()["place"].as_str().unwrap().starts_with(file!()));
        assert_eq!(session.enter("session").map(drop).unwrap_err().code(), Code::Poisoned);
        assert!(run(|| Ok(own_stack::is_own())).unwrap());
    }

    #[test]
    fn a_call_within_a_call_runs_where_it_is() {
        let threads = run(|| {
            let inner = run(|| Ok(std::thread::current().id()))?;
            Ok((std::thread::current().id(), inner))
        })
        .unwrap();
        assert_eq!(threads.0, threads.1);
        assert_ne!(threads.0, std::thread::current().id());
    }

    #[test]
    fn brief_work_stays_where_it_is_if_there_is_room() {
        let id = || brief(|| Ok(std::thread::current().id())).unwrap();
        assert_eq!(id(), std::thread::current().id());
        let small = std::thread::Builder::new().stack_size(64 << 10);
        small.spawn(move || assert_ne!(id(), std::thread::current().id())).unwrap().join().unwrap();
    }

    #[test]
    fn work_stays_on_a_thread_with_as_much_stack() {
        let large = std::thread::Builder::new().stack_size(own_stack::BYTES + (1 << 20));
        let thread = large.spawn(|| {
            let ids = run(|| Ok((std::thread::current().id(), own_stack::is_own()))).unwrap();
            assert_eq!((ids, own_stack::is_own()), ((std::thread::current().id(), true), false));
            let panicked = guard::caught(|| run(|| -> Result<()> { panic!("odd") }));
            assert_eq!((panicked.unwrap_err().code(), own_stack::is_own()), (Code::Internal, false));
        });
        thread.unwrap().join().unwrap();
    }

    unsafe extern "C" fn from_this_thread(
        event: *const crate::capi::types::tailora_progress,
        user: *mut std::ffi::c_void,
    ) -> i32 {
        // SAFETY: the test passes its thread's id, and the library an event.
        let (event, caller) = unsafe { (&*event, &*user.cast::<std::thread::ThreadId>()) };
        assert_eq!(*caller, std::thread::current().id());
        // From a callback the library may be called.
        assert_eq!(run(|| Ok(5)).unwrap(), 5);
        i32::from(event.step == 3)
    }

    #[test]
    fn a_callback_is_called_where_the_call_was_made() {
        let mut caller = std::thread::current().id();
        // SAFETY: `user` is what the callback expects, and outlives the calls.
        let callback = unsafe { Callback::new(Some(from_this_thread), (&raw mut caller).cast()) };
        let work = |monitor: &mut Monitor<'_>| {
            for step in 1..=10 {
                monitor.report(&Progress::new(Phase::Load, step, 10, Duration::ZERO));
                monitor.check()?;
            }
            Ok(())
        };
        assert_eq!(monitored(callback, &Cancel::new(), work).unwrap_err().code(), Code::Cancelled);
    }

    #[test]
    fn many_calls_at_the_same_time_all_come_back_and_few_threads_are_kept() {
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| (0..50).for_each(|n| assert_eq!(run(move || Ok(n + 1)).unwrap(), n + 1)));
            }
        });
        assert!(lock().len() <= KEPT);
    }

    /// The price of a call, printed; a generous bound holds on a busy machine too.
    #[test]
    fn a_call_costs_microseconds() {
        run(|| Ok(())).unwrap();
        let mut times: Vec<Duration> = (0..2000)
            .map(|_| {
                let begun = Instant::now();
                run(|| Ok(())).unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        println!("a call on a kept thread: median {:?}, 99th percentile {:?}", times[1000], times[1980]);
        assert!(times[1000] < Duration::from_millis(1), "median {:?}", times[1000]);
    }
}
