//! A generated JSON document and where in its text each string stands, to lead from a value back to its tokens.

use crate::error::{Code, Error, Result};
use crate::fields::end_of_string;
use serde_json::Value;
use std::ops::Range;

/// A step from a JSON value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A string value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StringValue {
    /// From the root to the string.
    pub(crate) path: Vec<Step>,
    /// The text that it stands for.
    pub(crate) value: String,
    /// Its bytes in the document's text, between the quotes.
    pub(crate) range: Range<usize>,
}

/// Reads a document and its strings, in the order of the text.
pub(crate) fn read(text: &str) -> Result<(Value, Vec<StringValue>)> {
    let value = serde_json::from_str(text).map_err(|err| {
        Error::new(Code::Schema, format!("the generated document cannot be read back: {err}; bound the schema's depth"))
    })?;
    Ok((value, strings(text)))
}

/// Every string of a document; keys are none.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(properties) => properties.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The value at a path.
pub(crate) fn at<'a>(document: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// The same, to be changed.
pub(crate) fn at_mut<'a>(document: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Walks text that is known to be valid JSON.
fn strings(text: &str) -> Vec<StringValue> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut path: Vec<Option<Step>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' => path.push(None),
            b'[' => path.push(Some(Step::Index(0))),
            b'}' | b']' => {
                path.pop();
            }
            b',' => match path.last_mut() {
                Some(Some(Step::Index(index))) => *index += 1,
                Some(key) => *key = None,
                None => {}
            },
            b'"' => {
                let range = at + 1..end_of_string(bytes, at + 1);
                let value: String =
                    text.get(at..range.end + 1).and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default();
                at = range.end;
                match path.last_mut() {
                    Some(key @ None) => *key = Some(Step::Key(value)),
                    _ => found.push(StringValue { path: path.iter().flatten().cloned().collect(), value, range }),
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_value_has_its_place() {
        let text = r#"{"a":"x","b":[1,"y\"\\",{"c":"中"},[],{}],"d":{"e":null,"f":""},"g":"\\"}"#;
        let (value, strings) = read(text).unwrap();
        assert_eq!(value["b"][1], "y\"\\");
        let found: Vec<(String, &str, &str)> = strings
            .iter()
            .map(|s| {
                let path = s.path.iter().map(|step| match step {
                    Step::Key(key) => format!("/{key}"),
                    Step::Index(index) => format!("/{index}"),
                });
                (path.collect(), s.value.as_str(), &text[s.range.clone()])
            })
            .collect();
        let expected = [
            ("/a", "x", "x"),
            ("/b/1", "y\"\\", r#"y\"\\"#),
            ("/b/2/c", "中", "中"),
            ("/d/f", "", ""),
            ("/g", "\\", r"\\"),
        ];
        assert_eq!(found, expected.map(|(p, v, raw)| (p.to_string(), v, raw)));
        assert!(strings.iter().all(|s| {
            let pointer = found.iter().find(|f| f.1 == s.value).map(|f| f.0.clone()).unwrap_or_default();
            value.pointer(&pointer).and_then(Value::as_str) == Some(&s.value)
        }));
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        assert_eq!(read("{").unwrap_err().code(), Code::Schema);
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert!(read(&deep).unwrap_err().message().contains("depth"));
        assert_eq!(read("\"only\"").unwrap().1[0].value, "only");
    }
}
