//! The library's log records (`tracing`) to a host's sink.

use super::error_text::c_text;
use super::guard;
use super::status::{TAILORA_OK, TAILORA_PENDING, tailora_status};
use super::types::*;
use crate::error::{Code, Error, Result};
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt::Write;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Sends the library's log records to `sink`; NULL sends them nowhere, which is also how it starts. The library itself
/// never prints. One sink for the process; a new one replaces the old one.
///
/// What is logged: at INFO, that a model, dataset or adapter was loaded, a training's start, validations and end, and each
/// text or report written, with sizes, tokens and seconds; at WARN, everything that is worth a look in what was loaded or
/// trained; at DEBUG, files, types, options and single steps; at TRACE, single chunks of a stream. Never the content of
/// rows, prompts or answers.
///
/// Waits until no call of the old sink runs any more, a second at most, and returns `TAILORA_PENDING` if one still does
/// (it may be waiting for something that the caller of this holds): the new sink is in place all the same, and the old one
/// gets nothing new. A sink may call any function of the library but this one.
/// Ownership: `sink` is copied; `user` must stay valid until another sink is set, and after `TAILORA_PENDING` until the old
/// sink's last call returns. Threads: any, but not from within a sink (`TAILORA_ERR_BUSY`).
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` for a `struct_size` below its own four bytes or with unknown fields that are
/// not zero, a level that is none of `TAILORA_LOG_*`, or a NULL `log`; `TAILORA_ERR_UNSUPPORTED` in a Rust
/// program that has set a global `tracing` subscriber of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_set_log_sink(
    sink: *const tailora_log_sink,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::status(err, || {
            if is_inside() {
                return Err(Error::new(
                    Code::Busy,
                    "a log sink cannot set another from within; set it after it returns",
                ));
            }
            let old = set(if sink.is_null() { None } else { Some(decode(sink)?) })?;
            Ok(if old.is_none_or(is_at_rest) { TAILORA_OK } else { TAILORA_PENDING })
        })
    }
}

struct Sink {
    level: LevelFilter,
    log: unsafe extern "C" fn(*const tailora_log_event, *mut c_void),
    user: *mut c_void,
}

// SAFETY: the header asks hosts for a sink that any thread may call; `user` is only handed back to it.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

/// Whoever calls a sink holds a clone of it, and no lock: neither the sink nor who sets another waits for the other here.
static SINK: RwLock<Option<Arc<Sink>>> = RwLock::new(None);

/// How long a new sink waits for calls of the old one.
const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread works for a call that a sink made; its records are dropped.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// Says so of this thread, or not, until the guard is dropped.
pub(super) fn inside(inside: bool) -> impl Drop {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    Before(INSIDE.replace(inside))
}

/// Reads a host's struct by its size: shorter ones end in zeros, longer ones must not say what we do not understand.
///
/// # Safety
/// `sink` points to at least four bytes, and to as many as its `struct_size` says.
unsafe fn decode(sink: *const tailora_log_sink) -> Result<Sink> {
    const OURS: usize = size_of::<tailora_log_sink>();
    let refuse = |message: String| Error::new(Code::InvalidArgument, message).with("argument", "sink");
    // SAFETY: the caller's promise.
    let size = unsafe { sink.cast::<u32>().read_unaligned() } as usize;
    if !(size_of::<u32>()..=1 << 16).contains(&size) {
        return Err(refuse(format!("`sink->struct_size` is {size}; expected sizeof(tailora_log_sink), {OURS}")));
    }
    // SAFETY: all zeros is a valid value: no callback, NULL, numbers.
    let mut read: tailora_log_sink = unsafe { std::mem::zeroed() };
    // SAFETY: `size` bytes are readable by the caller's promise, and no more than the struct's are written.
    let unknown = unsafe {
        std::ptr::copy_nonoverlapping(sink.cast::<u8>(), (&raw mut read).cast::<u8>(), size.min(OURS));
        (OURS..size).any(|at| sink.cast::<u8>().add(at).read() != 0)
    };
    if unknown {
        return Err(refuse("`sink` has fields that this library does not know; set them to zero".to_string()));
    }
    let level = match read.max_level {
        TAILORA_LOG_ERROR => LevelFilter::ERROR,
        TAILORA_LOG_WARN => LevelFilter::WARN,
        0 | TAILORA_LOG_INFO => LevelFilter::INFO,
        TAILORA_LOG_DEBUG => LevelFilter::DEBUG,
        TAILORA_LOG_TRACE => LevelFilter::TRACE,
        other => return Err(refuse(format!("`sink->max_level` is {other}; expected one of TAILORA_LOG_*"))),
    };
    let log = read.log.ok_or_else(|| refuse("`sink->log` is NULL".to_string()))?;
    Ok(Sink { level, log, user: read.user })
}

/// Puts `sink` in place; the one before it.
fn set(sink: Option<Sink>) -> Result<Option<Arc<Sink>>> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    if sink.is_some() && !*INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(ToSink).is_ok()) {
        let message = "this program has a tracing subscriber of its own, which already receives the records";
        return Err(Error::new(Code::Unsupported, message));
    }
    let sink = sink.map(Arc::new);
    let old = std::mem::replace(&mut *SINK.write().unwrap_or_else(PoisonError::into_inner), sink);
    tracing::callsite::rebuild_interest_cache();
    Ok(old)
}

/// Waits for the calls of a sink that is no longer in place; whether they have ended.
fn is_at_rest(mut old: Arc<Sink>) -> bool {
    let begun = Instant::now();
    while Arc::get_mut(&mut old).is_none() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

fn current() -> Option<Arc<Sink>> {
    SINK.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The `tracing` subscriber that hands records to the sink. Spans are not kept: records say what they mean alone.
struct ToSink;

impl Subscriber for ToSink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.max_level_hint().is_some_and(|level| *metadata.level() <= level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(current().map_or(LevelFilter::OFF, |sink| sink.level))
    }

    fn event(&self, event: &Event<'_>) {
        if is_inside() {
            return;
        }
        let Some(sink) = current() else { return };
        let _inside = inside(true);
        let metadata = event.metadata();
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        let target = c_text(metadata.target());
        let message = c_text(&(sentence.message + &sentence.fields));
        let record = tailora_log_event {
            struct_size: size_of::<tailora_log_event>() as u32,
            level: level_number(*metadata.level()),
            target: target.as_ptr(),
            message: message.as_ptr(),
        };
        // SAFETY: the header asks for a function that any thread may call with `user`; the record outlives the call.
        unsafe { (sink.log)(&record, sink.user) };
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn level_number(level: Level) -> i32 {
    match level {
        Level::ERROR => TAILORA_LOG_ERROR,
        Level::WARN => TAILORA_LOG_WARN,
        Level::INFO => TAILORA_LOG_INFO,
        Level::DEBUG => TAILORA_LOG_DEBUG,
        Level::TRACE => TAILORA_LOG_TRACE,
    }
}

#[derive(Default)]
struct Sentence {
    message: String,
    fields: String,
}

impl Visit for Sentence {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a `String` cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
