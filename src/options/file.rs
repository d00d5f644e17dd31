//! Options from a file, in YAML or JSON: every error says the file and, where it can be known, the line.

use super::yaml::line_of;
use super::{Options, from_value, read, read_yaml};
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use serde_json::{Map, Value};
use std::path::Path;

const MAX_FILE: u64 = 1 << 20;

/// Reads options from a file: `.json`, `.yaml` or `.yml`. An empty file gives the defaults; relative paths in it stay relative
/// to the working directory.
///
/// # Errors
/// `Io`: unreadable. `InvalidOptions`: not JSON or YAML, unknown key, value outside its range; with `path`, and `line` where it is
/// known.
pub fn from_file<T: Options>(path: &Path) -> Result<T> {
    read_file::<T>(path).map(|(_, options)| options)
}

/// What the file says, checked as the options `T`, without the defaults of what it leaves out.
pub(crate) fn given_in_file<T: Options>(path: &Path) -> Result<Value> {
    read_file::<T>(path).map(|(given, _)| given)
}

fn read_file<T: Options>(path: &Path) -> Result<(Value, T)> {
    let text = read_text(path, MAX_FILE)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let options = match extension.as_deref() {
        Some("json") => of_json(text.trim_start_matches('\u{feff}')),
        Some("yaml" | "yml") => read_yaml(&text).and_then(of_value),
        _ => {
            let message = "the extension says neither JSON nor YAML; expected .json, .yaml or .yml";
            return Err(Error::new(Code::InvalidOptions, message).in_file(path));
        }
    };
    options.map_err(|err| with_line(err, &text).in_file(path))
}

fn of_json<T: Options>(text: &str) -> Result<(Value, T)> {
    if text.trim().is_empty() {
        return of_value(Value::Null);
    }
    let value = read(text, "the options")?;
    T::check_text(text)?;
    of_value(value)
}

fn of_value<T: Options>(value: Value) -> Result<(Value, T)> {
    let given = if value.is_null() { Value::Object(Map::new()) } else { value };
    from_value(given.clone()).map(|options| (given, options))
}

/// An error about an option says on which line the option stands.
fn with_line(err: Error, text: &str) -> Error {
    if err.details().contains_key("line") {
        return err;
    }
    let option = err.details().get("option").and_then(Value::as_str);
    match option.and_then(|option| line_of(text, option)) {
        Some(line) => err.context(format!("line {line}")).with("line", line),
        None => err,
    }
}
