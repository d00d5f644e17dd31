//! What a host may do to the library: small stacks, forks, odd rounding, log sinks and callbacks that call back in. Each
//! in a process of its own, since what is tried here might take it down or stop it for ever.

mod child;

use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use tailora::capi::*;

const LIMIT: Duration = Duration::from_secs(240);
const PROMPT: &CStr = c"岗位:P7高级架构师,绩效:A/A-";

fn file(path: &str) -> CString {
    CString::new(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The status must be that of success; the string that was given out.
fn taken(status: i32, json: *mut c_char, err: *mut tailora_error) -> String {
    // SAFETY: what the library gave out, or NULL where it failed.
    unsafe {
        let message = CStr::from_ptr(tailora_error_message(err)).to_str().unwrap();
        assert!(status >= 0, "{status}: {message}");
        let text = CStr::from_ptr(json).to_str().unwrap().to_owned();
        assert_eq!(tailora_string_free(json), TAILORA_OK);
        text
    }
}

struct Host {
    model: *mut tailora_model,
    session: *mut tailora_session,
}

impl Host {
    fn new() -> Self {
        let (mut model, mut session) = (null_mut(), null_mut());
        let path = file("tests/fixtures/models/qwen2");
        // SAFETY: strings end in NUL, places to write to are locals. So everywhere in this file.
        unsafe {
            let loaded = tailora_model_load(path.as_ptr(), null(), None, null_mut(), null(), &mut model, null_mut());
            assert_eq!(loaded, TAILORA_OK);
            assert_eq!(tailora_session_new(model, null(), &mut session, null_mut()), TAILORA_OK);
        }
        Host { model, session }
    }

    fn generate(&self, options: &CStr) -> String {
        let (mut json, mut err) = (null_mut(), null_mut());
        let (prompt, len) = (PROMPT.as_ptr(), PROMPT.count_bytes());
        // SAFETY: as in `new`.
        let status = unsafe {
            tailora_session_generate(self.session, prompt, len, options.as_ptr(), null(), &mut json, &mut err)
        };
        taken(status, json, err)
    }

    fn report(&self) -> String {
        let (mut json, mut err) = (null_mut(), null_mut());
        let (prompt, len) = (PROMPT.as_ptr(), PROMPT.count_bytes());
        let options = c"{\"mode\":\"schema\",\"max_conclusions\":1}";
        // SAFETY: as in `new`.
        let status =
            unsafe { tailora_session_report(self.session, prompt, len, options.as_ptr(), null(), &mut json, &mut err) };
        taken(status, json, err)
    }

    /// Trains an adapter on the sample; the SHA-256 of its weights.
    fn train(&self, progress: tailora_progress_fn, user: *mut c_void) -> String {
        let (mut dataset, mut adapter, mut err) = (null_mut(), null_mut(), null_mut());
        let csv = file("samples/data/talent_review.csv");
        let options = c"{\"max_steps\":3,\"r\":2,\"seed\":7,\"memorisation_samples\":0}";
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("adapter");
        // SAFETY: as in `new`.
        unsafe {
            let rows = c"{\"max_rows\":12}";
            let opened = tailora_dataset_open_csv(
                csv.as_ptr(),
                rows.as_ptr(),
                None,
                null_mut(),
                null(),
                &mut dataset,
                null_mut(),
            );
            assert_eq!(opened, TAILORA_OK);
            let mut summary = null_mut();
            let (options, never) = (options.as_ptr(), null());
            let status = tailora_train(
                self.model,
                dataset,
                options,
                progress,
                user,
                never,
                &mut adapter,
                &mut summary,
                &mut err,
            );
            taken(status, summary, err);
            let path = CString::new(place.to_str().unwrap()).unwrap();
            assert_eq!(tailora_adapter_save(adapter, path.as_ptr(), null(), null_mut()), TAILORA_OK);
            assert_eq!(tailora_adapter_free(adapter), TAILORA_OK);
            assert_eq!(tailora_dataset_free(dataset), TAILORA_OK);
        }
        weights_sha256(&place)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: tokens.
        unsafe {
            tailora_session_free(self.session);
            tailora_model_free(self.model);
        }
    }
}

fn weights_sha256(adapter: &Path) -> String {
    let bytes = std::fs::read(adapter.join("adapter_model.safetensors")).unwrap();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_stack_of_64_kib_suffices() {
    child::survives(
        "a_stack_of_64_kib_suffices",
        LIMIT,
        |_| {},
        || {
            let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
                let host = Host::new();
                assert_eq!(host.train(None, null_mut()).len(), 64);
                assert!(host.generate(c"{\"max_tokens\":4}").contains("\"text\""));
                let nested = "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1,\"items\":".repeat(60);
                let options = format!("{{\"json_schema\":{nested}{{\"const\":1}}{}}}", "}".repeat(60));
                assert!(host.generate(&CString::new(options).unwrap()).contains("[[[["));
                assert!(host.report().contains("\"conclusions\""));
            });
            thread.unwrap().join().unwrap();
        },
    );
}

/// Rounds toward zero and flushes denormals on this thread.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn round_oddly() {
    #[cfg(target_arch = "x86_64")]
    {
        let odd: u32 = 0x1F80 | 0x6000 | 0x8000 | 0x0040;
        // SAFETY: changes how this thread computes, which the test is about.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const odd, options(nostack, readonly)) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("msr fpcr, {}", in(reg) (0b11u64 << 22) | (1 << 24), options(nostack, nomem))
    };
}

#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn rounding_of_the_host_changes_nothing() {
    child::survives(
        "rounding_of_the_host_changes_nothing",
        LIMIT,
        |_| {},
        || {
            let long = c"{\"max_tokens\":24,\"logprobs\":true}";
            let job = || {
                let host = Host::new();
                (host.train(None, null_mut()), host.generate(long))
            };
            let odd = std::thread::spawn(move || {
                round_oddly();
                // The mode is really another one, and the library leaves it as it was.
                let rounded = || std::hint::black_box(1.0) + std::hint::black_box(0.75 * f64::EPSILON);
                let before = rounded();
                let found = job();
                assert_eq!(rounded().to_bits(), before.to_bits());
                (found, before)
            });
            // First of all, so that every thread of the library is started from the odd one.
            let (odd, rounded) = odd.join().unwrap();
            assert_eq!(rounded, 1.0);
            assert_eq!(odd, job());
        },
    );
}

#[cfg(unix)]
#[test]
fn a_forked_child_is_told() {
    child::survives(
        "a_forked_child_is_told",
        LIMIT,
        |_| {},
        || {
            let host = Host::new();
            host.generate(c"{\"max_tokens\":2}");
            // SAFETY: the child calls nothing but the library and `_exit`; a hang ends it by a signal.
            unsafe {
                let pid = libc::fork();
                assert!(pid >= 0);
                if pid == 0 {
                    libc::alarm(20);
                    let (mut json, mut err) = (null_mut(), null_mut());
                    let (prompt, len) = (PROMPT.as_ptr(), PROMPT.count_bytes());
                    let status =
                        tailora_session_generate(host.session, prompt, len, null(), null(), &mut json, &mut err);
                    let told = status == TAILORA_ERR_UNSUPPORTED
                        && CStr::from_ptr(tailora_error_message(err))
                            .to_bytes()
                            .windows(6)
                            .any(|word| word == b"forked")
                        && tailora_error_free(err) == TAILORA_OK
                        && tailora_session_free(host.session) == TAILORA_OK;
                    libc::_exit(if told { 0 } else { 1 });
                }
                let mut status = -1;
                assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child ended with {status:#x}");
            }
            // The parent goes on.
            assert!(host.generate(c"{\"max_tokens\":2}").contains("\"text\""));
        },
    );
}

unsafe extern "C" fn calls_back(event: *const tailora_progress, user: *mut c_void) -> i32 {
    // SAFETY: the library gives an event, and the test a host.
    let (event, host) = unsafe { (&*event, &*user.cast::<Host>()) };
    if event.phase == TAILORA_PHASE_TRAIN {
        assert!(host.generate(c"{\"max_tokens\":2}").contains("\"text\""));
    }
    0
}

#[test]
fn a_progress_callback_may_call_the_library() {
    child::survives(
        "a_progress_callback_may_call_the_library",
        LIMIT,
        |_| {},
        || {
            let host = Host::new();
            let alone = host.train(None, null_mut());
            assert_eq!(host.train(Some(calls_back), (&raw const host).cast_mut().cast()), alone);
        },
    );
}

fn sink(log: unsafe extern "C" fn(*const tailora_log_event, *mut c_void), level: i32) -> tailora_log_sink {
    tailora_log_sink {
        struct_size: size_of::<tailora_log_sink>() as u32,
        max_level: level,
        log: Some(log),
        user: null_mut(),
    }
}

static RECORDS: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" fn calls_the_library(_: *const tailora_log_event, _: *mut c_void) {
    RECORDS.fetch_add(1, Ordering::Relaxed);
    let mut json = null_mut();
    // SAFETY: a local to write to.
    unsafe {
        assert_eq!(tailora_build_info(&mut json, null_mut()), TAILORA_OK);
        assert_eq!(tailora_string_free(json), TAILORA_OK);
        assert_eq!(tailora_set_log_sink(null(), null_mut()), TAILORA_ERR_BUSY);
    }
}

#[test]
fn a_sink_may_call_the_library_while_another_is_set() {
    child::survives(
        "a_sink_may_call_the_library_while_another_is_set",
        Duration::from_secs(60),
        |_| {},
        || {
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let ours = sink(calls_the_library, TAILORA_LOG_TRACE);
                    while !done.load(Ordering::Relaxed) {
                        for next in [&raw const ours, null()] {
                            // SAFETY: a sink without `user`.
                            assert!(unsafe { tailora_set_log_sink(next, null_mut()) } >= TAILORA_OK);
                        }
                    }
                });
                let workers: Vec<_> = (0..3)
                    .map(|_| scope.spawn(|| (0..10).for_each(|_| drop(Host::new().generate(c"{\"max_tokens\":2}")))))
                    .collect();
                workers.into_iter().for_each(|worker| worker.join().unwrap());
                done.store(true, Ordering::Relaxed);
            });
            assert!(RECORDS.load(Ordering::Relaxed) > 0);
        },
    );
}

static ENTERED: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);
static RELEASE: Mutex<()> = Mutex::new(());

unsafe extern "C" fn waits_for_the_host(_: *const tailora_log_event, _: *mut c_void) {
    if let Some(entered) = ENTERED.lock().unwrap().take() {
        entered.send(()).unwrap();
        drop(RELEASE.lock().unwrap());
    }
}

#[test]
fn setting_a_sink_ends_though_the_old_one_waits_for_the_setter() {
    let name = "setting_a_sink_ends_though_the_old_one_waits_for_the_setter";
    child::survives(
        name,
        Duration::from_secs(60),
        |_| {},
        || {
            let ours = sink(waits_for_the_host, TAILORA_LOG_INFO);
            // SAFETY: sinks without `user`.
            unsafe {
                assert_eq!(tailora_set_log_sink(&ours, null_mut()), TAILORA_OK);
                assert_eq!(tailora_set_log_sink(&ours, null_mut()), TAILORA_OK);
                let (send, entered) = mpsc::channel();
                *ENTERED.lock().unwrap() = Some(send);
                let held = RELEASE.lock().unwrap();
                let loading = std::thread::spawn(|| drop(Host::new()));
                entered.recv().unwrap();
                let begun = Instant::now();
                assert_eq!(tailora_set_log_sink(null(), null_mut()), TAILORA_PENDING);
                assert!(begun.elapsed() < Duration::from_secs(10));
                drop(held);
                loading.join().unwrap();
                assert_eq!(tailora_set_log_sink(null(), null_mut()), TAILORA_OK);
            }
        },
    );
}

static SEEN: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

unsafe extern "C" fn collects(event: *const tailora_log_event, _: *mut c_void) {
    // SAFETY: the library gives an event with two texts.
    let (level, text) = unsafe {
        let event = &*event;
        let text = |text| CStr::from_ptr(text).to_str().unwrap();
        (event.level, format!("{} {}", text(event.target), text(event.message)))
    };
    SEEN.lock().unwrap().push((level, text));
}

#[test]
fn records_tell_what_was_done_and_nothing_of_what_was_said() {
    child::survives(
        "records_tell_what_was_done_and_nothing_of_what_was_said",
        LIMIT,
        |_| {},
        || {
            let ours = sink(collects, TAILORA_LOG_TRACE);
            // SAFETY: a sink without `user`.
            unsafe { assert_eq!(tailora_set_log_sink(&ours, null_mut()), TAILORA_OK) };
            let host = Host::new();
            host.train(None, null_mut());
            let texts = [host.generate(c"{\"max_tokens\":8}"), host.report()];
            let seen = SEEN.lock().unwrap().clone();
            for (level, words) in [
                (TAILORA_LOG_INFO, "tailora::model model loaded name=\"qwen2\""),
                (TAILORA_LOG_INFO, "tailora::dataset dataset opened rows=12"),
                (TAILORA_LOG_INFO, "tailora::train training started"),
                (TAILORA_LOG_INFO, "tailora::train training ended stop_reason=\"completed\" steps=3"),
                (TAILORA_LOG_INFO, "tailora::train validated"),
                (TAILORA_LOG_INFO, "tailora::generate text generated prompt_tokens="),
                (TAILORA_LOG_INFO, "tailora::report report written conclusions="),
                (TAILORA_LOG_DEBUG, "tailora::train step step=1"),
                (TAILORA_LOG_DEBUG, "tailora::model what was loaded path="),
                (TAILORA_LOG_TRACE, "tailora::progress progress phase=Load"),
            ] {
                assert!(seen.iter().any(|(l, text)| *l == level && text.starts_with(words)), "no {words}: {seen:#?}");
            }
            let all = seen.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
            let csv = std::fs::read_to_string(file("samples/data/talent_review.csv").to_str().unwrap()).unwrap();
            // Anything of six letters in a row that a row, a prompt or an answer has.
            for text in texts.iter().map(String::as_str).chain([csv.as_str(), PROMPT.to_str().unwrap()]) {
                let letters: Vec<char> = text.chars().collect();
                for word in letters.windows(6).filter(|word| word.iter().all(|c| !c.is_ascii())) {
                    let word: String = word.iter().collect();
                    assert!(!all.contains(&word), "{word} stands in the log:\n{all}");
                }
            }
            assert!(!all.contains("架构师"), "{all}");
        },
    );
}
