//! The one error type: a code that hosts branch on, one sentence for people, and details as JSON.
//!
//! Messages say what was found, what was expected and what to do; the details repeat the facts (path, row, column,
//! tensor, shapes) so that a host need not parse prose.

use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

/// Result of every fallible function of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was. The numbers are the C ABI's `TAILORA_ERR_*` and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Code {
    /// An argument is outside its domain (null, wrong UTF-8, a negative count).
    InvalidArgument = -1,
    /// A handle that was never given out, was freed, or is of another type.
    InvalidHandle = -2,
    /// An exclusive object (session, stream) is in use by another thread, or a run directory by another run.
    Busy = -3,
    /// An exclusive object was left half-changed by an internal error; free it.
    Poisoned = -4,
    /// Options that do not parse: unknown key, wrong type, value outside its range.
    InvalidOptions = -5,
    /// The file system refused: missing file, unreadable directory, full disk.
    Io = -10,
    /// A model's files are damaged or contradict each other.
    ModelFormat = -20,
    /// A model, adapter or option that is well-formed but not supported.
    Unsupported = -21,
    /// An adapter's files are damaged or contradict each other.
    AdapterFormat = -30,
    /// An adapter that belongs to another base model.
    AdapterMismatch = -31,
    /// A CSV that cannot be read as the dataset asked for.
    CsvFormat = -40,
    /// A Word file that cannot be read, or a template without a place for the report.
    DocxFormat = -41,
    /// Tokenizer or chat template files are damaged, or a template refuses the conversation.
    Tokenizer = -50,
    /// A prompt that does not fit the model's context.
    ContextLength = -51,
    /// A JSON Schema or grammar that cannot be compiled.
    Schema = -52,
    /// Training cannot start or had to be given up (no trainable token, loss not finite).
    Training = -60,
    /// The device asked for is not there or failed.
    Device = -70,
    /// Memory ran out, or a limit given by the host would be exceeded.
    OutOfMemory = -71,
    /// The host asked to stop.
    Cancelled = -80,
    /// A defect of this library; please report it.
    Internal = -99,
}

impl Code {
    /// Every code, in the order of the header.
    pub const ALL: &'static [Code] = &[
        Code::InvalidArgument,
        Code::InvalidHandle,
        Code::Busy,
        Code::Poisoned,
        Code::InvalidOptions,
        Code::Io,
        Code::ModelFormat,
        Code::Unsupported,
        Code::AdapterFormat,
        Code::AdapterMismatch,
        Code::CsvFormat,
        Code::DocxFormat,
        Code::Tokenizer,
        Code::ContextLength,
        Code::Schema,
        Code::Training,
        Code::Device,
        Code::OutOfMemory,
        Code::Cancelled,
        Code::Internal,
    ];

    /// The number of the C ABI.
    pub fn status(self) -> i32 {
        self as i32
    }
}

/// An error of this library.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    message: String,
    details: Map<String, Value>,
}

impl Error {
    /// An error with one sentence for people.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { code, message: shorten(message.into()), details: Map::new() }))
    }

    /// An I/O failure on `path` while doing `what` ("read", "create", …).
    pub fn io(what: &str, path: &Path, err: &std::io::Error) -> Self {
        let code = if err.kind() == std::io::ErrorKind::OutOfMemory { Code::OutOfMemory } else { Code::Io };
        Error::new(code, format!("cannot {what} {}: {err}", path.display()))
            .with_path(path)
            .with("os_error", err.raw_os_error())
    }

    /// Adds a fact to the details; an existing one of the same name is kept (the innermost context is the most exact).
    #[must_use]
    pub fn with(mut self, key: &str, value: impl serde::Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        if !value.is_null() {
            self.0.details.entry(key).or_insert_with(|| shorten_value(value));
        }
        self
    }

    /// Puts `context: ` before the message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = shorten(format!("{context}: {}", self.0.message));
        self
    }

    /// Adds the path of the file that a message names, or that it is about.
    #[must_use]
    pub fn with_path(self, path: &Path) -> Self {
        self.with("path", path.display().to_string())
    }

    /// Puts the path of the file in which it was found before the message, and into the details.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        self.context(path.display()).with_path(path)
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// One sentence: what was found, what was expected, what to do.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Facts for programs.
    pub fn details(&self) -> &Map<String, Value> {
        &self.0.details
    }
}

/// Characters of a message, or of a text in the details, at most: what an input repeats in an error may be megabytes.
const LONGEST: usize = 800;
/// Elements of a list or object in the details, at most.
const MOST: usize = 200;

/// Takes the middle out of a long text: what was found stands at the beginning, and what to do at the end.
fn shorten(text: String) -> String {
    // A character has one byte at least.
    if text.len() <= LONGEST || text.chars().count() <= LONGEST {
        return text;
    }
    let (head, tail) = (LONGEST * 2 / 3, LONGEST / 3);
    let boundary = |index: Option<(usize, char)>| index.map_or(0, |(at, _)| at);
    let end = boundary(text.char_indices().nth(head));
    let start = boundary(text.char_indices().nth_back(tail - 1));
    format!("{} … {}", &text[..end], &text[start..])
}

fn shorten_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shorten(text)),
        Value::Array(items) => items.into_iter().take(MOST).map(shorten_value).collect(),
        Value::Object(items) => {
            items.into_iter().take(MOST).map(|(key, value)| (shorten(key), shorten_value(value))).collect()
        }
        other => other,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// Gives I/O results the path they are about.
pub(crate) trait IoContext<T> {
    fn at(self, what: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, what: &str, path: &Path) -> Result<T> {
        self.map_err(|err| Error::io(what, path, &err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_input_repeats_is_cut_in_the_middle() {
        let long = "名".repeat(1 << 20);
        let err = Error::new(Code::Io, format!("column `{long}` is unknown; rename it")).with("column", &long);
        let err = err.with("columns", vec!["名".repeat(1 << 12); 300]).context(&long);
        assert!(err.message().chars().count() < LONGEST + 10, "{}", err.message().len());
        assert!(err.message().ends_with("名` is unknown; rename it"), "{err}");
        assert!(serde_json::to_string(err.details()).unwrap().len() < 1 << 20);
        let short = "名".repeat(LONGEST);
        assert_eq!(Error::new(Code::Io, &*short).message(), short);
    }
}
