//! The case of a report. What an object says, a line must say when it is read again: no value may grow fields of its own.

use super::check;
use crate::fields::Fields;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(fields) = check(Fields::parse(text)) {
        let pairs = |fields: &Fields| -> Vec<(String, String)> {
            fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect()
        };
        let line = fields.text();
        let is_object = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).starts_with('{');
        if is_object && !line.starts_with(['{', '[']) {
            assert_eq!(Fields::parse(&line).map(|read| pairs(&read)).ok(), Some(pairs(&fields)), "{line}");
        }
    }
    let value = serde_json::json!({ "a": text, "b": "c" }).to_string();
    if let Some(fields) = check(Fields::parse(&value)) {
        let line = Fields::parse(&fields.text()).ok();
        assert_eq!(line.as_ref().map(Fields::len), Some(2), "{}", fields.text());
    }
}
