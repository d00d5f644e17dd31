//! Sequences of C calls on one tiny model: handles of the right and the wrong type, freed ones, ones that nobody gave out,
//! streams left open, adapters that go while they are attached. Three bytes are a call and what it is called with. Calls
//! have prices, since sixty trainings and merges of merges take a minute and show no more than two.
#![allow(unsafe_code)]

use crate::capi::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut, without_provenance, without_provenance_mut};
use std::sync::{Mutex, PoisonError};

/// What all calls of one input may cost.
const BUDGET: usize = 90;
/// How many there are.
const CALLS: u8 = 27;
const PROMPT: &CStr = c"\xe5\xb2\x97\xe4\xbd\x8d:P7,\xe7\xbb\xa9\xe6\x95\x88:A";
/// The type's byte in a handle, as `capi::handle` gives it.
const ERROR: usize = 0x51;
const CANCEL: usize = 0x52;
const MODEL: usize = 0x53;
const ADAPTER: usize = 0x54;
const DATASET: usize = 0x55;
const SESSION: usize = 0x56;
const STREAM: usize = 0x57;

pub(super) fn run(bytes: &[u8]) {
    let mut host = Host::new();
    let mut left = BUDGET;
    for call in bytes.chunks_exact(3) {
        let price = if host.call(call[0], call[1], call[2]) { price(call[0]) } else { 1 };
        let Some(rest) = left.checked_sub(price) else { return };
        left = rest;
    }
}

/// By how long the call takes if it does what it is asked for.
fn price(call: u8) -> usize {
    match call % CALLS {
        0 | 7 => 2,
        4 | 6 => 6,
        24 => 4,
        5 | 18 => 8,
        17 => 26,
        _ => 1,
    }
}

/// What a host holds: every handle it was ever given, freed or not, and every string.
struct Host {
    handles: Vec<usize>,
    strings: Vec<*mut c_char>,
}

/// What a call gave out.
struct Given {
    handle: usize,
    text: *mut c_char,
    err: *mut tailora_error,
}

/// Model and dataset of all sequences, which may free them too.
static SHARED: Mutex<[usize; 2]> = Mutex::new([0; 2]);

impl Host {
    fn new() -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let [model, dataset] = &mut *shared;
        let mut host = Host { handles: vec![0, usize::MAX, 0x7fff_1234_5670], strings: Vec::new() };
        // SAFETY: places to write to are locals; strings end in NUL.
        unsafe {
            let mut info = null_mut();
            if tailora_model_info(without_provenance(*model), &mut info, null_mut()) == TAILORA_OK {
                host.strings.push(info);
            } else {
                *model = load().expect("the tiny model loads");
            }
            if tailora_dataset_info(without_provenance(*dataset), &mut info, null_mut()) == TAILORA_OK {
                host.strings.push(info);
            } else {
                *dataset = open().expect("the sample opens");
            }
        }
        host.handles.extend([*model, *dataset]);
        host
    }

    /// A handle of type `of` that was given out, freed or not; of any type if the highest bit says so.
    fn pick(&self, of: usize, choice: u8) -> usize {
        let any = choice & 0x80 != 0;
        let fitting: Vec<usize> = self.handles.iter().copied().filter(|token| any || token >> 56 == of).collect();
        let index = usize::from(choice & 0x7f).checked_rem(fitting.len());
        index.map_or(0, |index| fitting[fitting.len() - 1 - index])
    }

    /// Whether it did what it was asked for.
    fn call(&mut self, call: u8, first: u8, second: u8) -> bool {
        let mut given = Given { handle: 0, text: null_mut(), err: null_mut() };
        let status = match call % CALLS {
            number @ 0..9 => self.call_of_session(number, first, second, &mut given),
            number @ 9..17 => self.call_that_ends(number, first, &mut given),
            number => self.call_of_others(number, first, second, &mut given),
        };
        let Given { handle, text, err } = given;
        assert!(status >= 0 || (handle == 0 && text.is_null()), "a call that failed gave something out");
        assert_ne!(status, TAILORA_ERR_INTERNAL, "call {call} with {first} and {second}");
        self.handles.extend([handle, err.addr()].into_iter().filter(|&token| token != 0));
        self.strings.extend(Some(text).filter(|text| !text.is_null()));
        status >= 0
    }

    /// Sessions and their streams.
    fn call_of_session(&self, number: u8, first: u8, second: u8, given: &mut Given) -> i32 {
        let place = &raw mut given.handle;
        let (text, err) = (&mut given.text, &mut given.err);
        let handle = |of| self.pick(of, first);
        let (prompt, len) = (PROMPT.as_ptr(), PROMPT.count_bytes());
        let short = c"{\"max_tokens\":3}".as_ptr();
        let (session, adapter) = (tailora(handle(SESSION)), tailora(self.pick(ADAPTER, second)));
        let cancel = tailora(self.pick(CANCEL, second));
        // SAFETY: as in `new`; handles are tokens, whatever they are.
        unsafe {
            match number {
                0 => tailora_session_new(tailora(handle(MODEL)), null(), place.cast(), err),
                1 => {
                    let scale = [1.0, 0.0, -1.0, f64::NAN][usize::from(second) % 4];
                    tailora_session_attach(session, adapter, scale, err)
                }
                2 if second < 128 => tailora_session_detach(session, adapter, err),
                2 => tailora_session_set_scale(session, adapter, [0.5, f64::INFINITY][usize::from(second) % 2], err),
                3 => tailora_session_reset(session, err),
                4 => tailora_session_generate(session, prompt, len, short, cancel, text, err),
                5 => {
                    let options = c"{\"generate\":{\"max_tokens\":6},\"influence\":false}".as_ptr();
                    tailora_session_report(session, prompt, len, options, cancel, text, err)
                }
                6 => tailora_stream_open(session, prompt, len, short, cancel, place.cast(), err),
                7 => tailora_stream_next(tailora(handle(STREAM)), &mut null(), null_mut(), err),
                8 if second < 128 => tailora_stream_usage(tailora(handle(STREAM)), null_mut(), null_mut(), err),
                _ => tailora_stream_summary(tailora(handle(STREAM)), text, err),
            }
        }
    }

    /// Requests to stop, and frees.
    fn call_that_ends(&self, number: u8, first: u8, given: &mut Given) -> i32 {
        let place = &raw mut given.handle;
        let handle = |of| self.pick(of, first);
        // SAFETY: as in `new`; handles are tokens, whatever they are.
        unsafe {
            match number {
                9 => tailora_cancel_new(place.cast(), &mut given.err),
                10 => tailora_cancel_request(tailora(handle(CANCEL))),
                11 => tailora_session_free(tailora(handle(SESSION))),
                12 => tailora_adapter_free(tailora(handle(ADAPTER))),
                13 => tailora_stream_free(tailora(handle(STREAM))),
                14 => tailora_cancel_free(tailora(handle(CANCEL))),
                15 => tailora_model_free(tailora(handle(MODEL))),
                _ => tailora_dataset_free(tailora(handle(DATASET))),
            }
        }
    }

    /// Models, datasets, adapters, strings and errors.
    fn call_of_others(&self, number: u8, first: u8, second: u8, given: &mut Given) -> i32 {
        let place = &raw mut given.handle;
        let (text, err) = (&mut given.text, &mut given.err);
        let handle = |of| self.pick(of, first);
        let other = |of| self.pick(of, second);
        let (prompt, len) = (PROMPT.as_ptr(), PROMPT.count_bytes());
        // SAFETY: as in `new`; handles are tokens, whatever they are.
        unsafe {
            match number {
                17 => {
                    let options =
                        c"{\"max_steps\":1,\"r\":2,\"memorisation_samples\":0,\"validation_share\":0}".as_ptr();
                    let (model, dataset) = (tailora(handle(MODEL)), tailora(other(DATASET)));
                    tailora_train(model, dataset, options, None, null_mut(), null(), place.cast(), text, err)
                }
                18 => {
                    let adapters = [tailora(handle(ADAPTER)), tailora(other(ADAPTER))].map(<*mut _>::cast_const);
                    tailora_adapter_merge(adapters.as_ptr(), null(), 2, null(), place.cast(), err)
                }
                19 => tailora_adapter_info(tailora(handle(ADAPTER)), text, err),
                20 => {
                    let (dataset, model) = (tailora(handle(DATASET)), tailora(other(MODEL)));
                    tailora_dataset_preview(dataset, model, u64::from(second), text, err)
                }
                21 => tailora_model_count_tokens(tailora(handle(MODEL)), prompt, len, &mut 0, err),
                24 => {
                    let session = tailora(handle(SESSION));
                    let cancel = tailora(other(CANCEL));
                    tailora_session_score(session, prompt, len, prompt, len, null(), cancel, text, err)
                }
                25 => tailora_model_tokenize(tailora(handle(MODEL)), prompt, len, null(), text, err),
                26 => {
                    let ids = [u32::from(second), u32::from(first) << 24];
                    tailora_model_detokenize(tailora(handle(MODEL)), ids.as_ptr(), 2, null(), text, err)
                }
                22 => {
                    let strings = self.strings.len();
                    let string = usize::from(first).checked_rem(strings).map(|index| self.strings[index]);
                    tailora_string_free(string.unwrap_or(without_provenance_mut(7)))
                }
                _ => {
                    let error = tailora(handle(ERROR));
                    assert!(!tailora_error_message(error).is_null() && !tailora_error_details(error).is_null());
                    tailora_error_free(error)
                }
            }
        }
    }
}

impl Drop for Host {
    /// Frees everything, which much of it was already.
    fn drop(&mut self) {
        let shared = *SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: frees take any token and any address.
        unsafe {
            for &token in self.handles.iter().filter(|token| !shared.contains(token)) {
                match token >> 56 {
                    ERROR => tailora_error_free(tailora(token)),
                    CANCEL => tailora_cancel_free(tailora(token)),
                    MODEL => tailora_model_free(tailora(token)),
                    ADAPTER => tailora_adapter_free(tailora(token)),
                    DATASET => tailora_dataset_free(tailora(token)),
                    SESSION => tailora_session_free(tailora(token)),
                    STREAM => tailora_stream_free(tailora(token)),
                    _ => TAILORA_OK,
                };
            }
            for &string in &self.strings {
                tailora_string_free(string);
            }
        }
    }
}

fn tailora<T>(token: usize) -> *mut T {
    without_provenance_mut(token)
}

fn file(path: &str) -> CString {
    CString::new(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_default()
}

fn load() -> Option<usize> {
    let (path, mut model) = (file("tests/fixtures/models/qwen2"), null_mut());
    // SAFETY: as in `new`.
    let status = unsafe { tailora_model_load(path.as_ptr(), null(), None, null_mut(), null(), &mut model, null_mut()) };
    (status == TAILORA_OK).then(|| model.addr())
}

fn open() -> Option<usize> {
    let (path, mut dataset) = (file("tests/fixtures/training/resume.csv"), null_mut());
    let options = c"{\"max_rows\":8}";
    // SAFETY: as in `new`.
    let status = unsafe {
        tailora_dataset_open_csv(path.as_ptr(), options.as_ptr(), None, null_mut(), null(), &mut dataset, null_mut())
    };
    (status == TAILORA_OK).then(|| dataset.addr())
}
