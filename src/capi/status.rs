//! What every function returns: 0 is success, above 0 is not an error, below 0 is an error.

use crate::error::Code;
use std::ffi::CStr;

/// What a function answers: `TAILORA_OK` (0); above 0 it worked and there is something to know; below 0 it failed,
/// every handle and string it would have given out is NULL, and `err`, where given, holds the error. Numbers are never
/// reused; treat one you do not know by its sign.
#[allow(non_camel_case_types)]
pub type tailora_status = i32;

/// The call did what was asked.
pub const TAILORA_OK: i32 = 0;
/// A stream has no more text; `tailora_stream_summary` says why it ended.
pub const TAILORA_DONE: i32 = 1;
/// The work ended before its end, and what was ready by then was given out: the outputs are valid. The host asked to stop,
/// or, in training alone, an error came after the first step; the summary says which.
pub const TAILORA_STOPPED: i32 = 2;
/// The call did what was asked, and something of before is still running: a log sink that was replaced.
pub const TAILORA_PENDING: i32 = 3;
/// An argument is outside its domain: NULL where a value is needed, text that is not UTF-8, a number out of range.
pub const TAILORA_ERR_INVALID_ARGUMENT: i32 = -1;
/// A handle that is NULL, was never given out, was freed, or is of another type.
pub const TAILORA_ERR_INVALID_HANDLE: i32 = -2;
/// An exclusive object (session, stream) is in use by another call, or a run directory by another run.
pub const TAILORA_ERR_BUSY: i32 = -3;
/// An exclusive object was left half-changed by an internal error; free it.
pub const TAILORA_ERR_POISONED: i32 = -4;
/// Options that do not parse: unknown key, wrong type, value outside its range.
pub const TAILORA_ERR_INVALID_OPTIONS: i32 = -5;
/// The file system refused: missing file, unreadable directory, full disk.
pub const TAILORA_ERR_IO: i32 = -10;
/// A model's files are damaged or contradict each other.
pub const TAILORA_ERR_MODEL_FORMAT: i32 = -20;
/// A model, adapter or option that is well-formed but not supported.
pub const TAILORA_ERR_UNSUPPORTED: i32 = -21;
/// An adapter's files are damaged or contradict each other.
pub const TAILORA_ERR_ADAPTER_FORMAT: i32 = -30;
/// An adapter that belongs to another base model.
pub const TAILORA_ERR_ADAPTER_MISMATCH: i32 = -31;
/// A CSV that cannot be read as the dataset asked for; the details name row and column.
pub const TAILORA_ERR_CSV_FORMAT: i32 = -40;
/// A Word file that cannot be read, or a template without a place for the report.
pub const TAILORA_ERR_DOCX_FORMAT: i32 = -41;
/// Tokenizer or chat template files are damaged, or a template refuses the conversation.
pub const TAILORA_ERR_TOKENIZER: i32 = -50;
/// A prompt that does not fit the model's context.
pub const TAILORA_ERR_CONTEXT_LENGTH: i32 = -51;
/// A JSON Schema or grammar that cannot be compiled.
pub const TAILORA_ERR_SCHEMA: i32 = -52;
/// Training cannot start or had to be given up (no trainable token, loss not finite).
pub const TAILORA_ERR_TRAINING: i32 = -60;
/// The device asked for is not there or failed.
pub const TAILORA_ERR_DEVICE: i32 = -70;
/// Memory ran out, or a limit given by the host would be exceeded. Weights, caches, activations and files are asked for where
/// a refusal becomes this error; before work in which one could not (matrix products, tokenizers, new threads) the library
/// asks for an estimate of what that needs, and some for small things (on Linux 160 MiB of address space), and gives it back at once. What other threads of the
/// process take in between, or a system that promises more memory than it has (overcommit), can still end the process.
pub const TAILORA_ERR_OUT_OF_MEMORY: i32 = -71;
/// The host asked to stop, and nothing was ready to give out.
pub const TAILORA_ERR_CANCELLED: i32 = -80;
/// A defect of this library; please report it with the error's message and details.
pub const TAILORA_ERR_INTERNAL: i32 = -99;

/// Every status the library gives, with its name in the header.
pub(super) const STATUSES: &[(tailora_status, &CStr)] = &[
    (TAILORA_OK, c"TAILORA_OK"),
    (TAILORA_DONE, c"TAILORA_DONE"),
    (TAILORA_STOPPED, c"TAILORA_STOPPED"),
    (TAILORA_PENDING, c"TAILORA_PENDING"),
    (TAILORA_ERR_INVALID_ARGUMENT, c"TAILORA_ERR_INVALID_ARGUMENT"),
    (TAILORA_ERR_INVALID_HANDLE, c"TAILORA_ERR_INVALID_HANDLE"),
    (TAILORA_ERR_BUSY, c"TAILORA_ERR_BUSY"),
    (TAILORA_ERR_POISONED, c"TAILORA_ERR_POISONED"),
    (TAILORA_ERR_INVALID_OPTIONS, c"TAILORA_ERR_INVALID_OPTIONS"),
    (TAILORA_ERR_IO, c"TAILORA_ERR_IO"),
    (TAILORA_ERR_MODEL_FORMAT, c"TAILORA_ERR_MODEL_FORMAT"),
    (TAILORA_ERR_UNSUPPORTED, c"TAILORA_ERR_UNSUPPORTED"),
    (TAILORA_ERR_ADAPTER_FORMAT, c"TAILORA_ERR_ADAPTER_FORMAT"),
    (TAILORA_ERR_ADAPTER_MISMATCH, c"TAILORA_ERR_ADAPTER_MISMATCH"),
    (TAILORA_ERR_CSV_FORMAT, c"TAILORA_ERR_CSV_FORMAT"),
    (TAILORA_ERR_DOCX_FORMAT, c"TAILORA_ERR_DOCX_FORMAT"),
    (TAILORA_ERR_TOKENIZER, c"TAILORA_ERR_TOKENIZER"),
    (TAILORA_ERR_CONTEXT_LENGTH, c"TAILORA_ERR_CONTEXT_LENGTH"),
    (TAILORA_ERR_SCHEMA, c"TAILORA_ERR_SCHEMA"),
    (TAILORA_ERR_TRAINING, c"TAILORA_ERR_TRAINING"),
    (TAILORA_ERR_DEVICE, c"TAILORA_ERR_DEVICE"),
    (TAILORA_ERR_OUT_OF_MEMORY, c"TAILORA_ERR_OUT_OF_MEMORY"),
    (TAILORA_ERR_CANCELLED, c"TAILORA_ERR_CANCELLED"),
    (TAILORA_ERR_INTERNAL, c"TAILORA_ERR_INTERNAL"),
];

/// The header's name of `status`; a status this version does not have is `TAILORA_UNKNOWN`.
pub(super) fn name(status: tailora_status) -> &'static CStr {
    STATUSES.iter().find(|(number, _)| *number == status).map_or(c"TAILORA_UNKNOWN", |(_, name)| name)
}

/// The number of an error's code.
pub(super) fn of(code: Code) -> tailora_status {
    code.status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_library_is_in_the_header_and_the_other_way_round() {
        let mut header: Vec<i32> = STATUSES.iter().map(|(number, _)| *number).filter(|number| *number < 0).collect();
        let mut codes: Vec<i32> = Code::ALL.iter().map(|code| of(*code)).collect();
        header.sort_unstable();
        codes.sort_unstable();
        assert_eq!(header, codes);
    }

    #[test]
    fn names_are_those_of_the_constants() {
        assert_eq!(name(TAILORA_ERR_BUSY), c"TAILORA_ERR_BUSY");
        assert_eq!(name(12345), c"TAILORA_UNKNOWN");
        // `Code::AdapterMismatch` ↔ `TAILORA_ERR_ADAPTER_MISMATCH`: same words, another spelling.
        for code in Code::ALL {
            let header = name(of(*code)).to_str().unwrap().replace("TAILORA_ERR_", "").replace('_', "");
            assert_eq!(header, format!("{code:?}").to_uppercase());
        }
    }
}
