//! The JSON form: an object whose members are the fields. It is read member by member, so that numbers keep the digits
//! they were written with (`12000.50`) and a name that is there twice is seen.

use super::punctuation::is_edge;
use super::{Field, bad, line};
use crate::error::Result;
use serde::de::IgnoredAny;
use std::ops::Range;

/// Reads an object; `text` begins with its brace.
pub(super) fn fields(text: &str) -> Result<Vec<Field>> {
    let invalid = |err: serde_json::Error| {
        bad(format!("the input begins like a JSON object, but is not valid JSON: {err}"))
            .with("line", err.line())
            .with("column", err.column())
    };
    serde_json::from_str::<IgnoredAny>(text).map_err(invalid)?;
    let string = |range: Range<usize>| serde_json::from_str::<String>(&text[range]).map_err(invalid);
    let mut fields = Vec::new();
    for (name, value) in members(text) {
        let name = crate::dataset::visible(&string(name)?).trim().to_owned();
        let is = |what: &str| {
            bad(format!(
                "the field `{name}` is not a text, a number, true or false, but {what}; write it as one text, or leave it out"
            ))
            .with("field", &name)
        };
        let value = match text.as_bytes()[value.start] {
            b'"' => string(value)?.replace("\r\n", "\n").replace('\r', "\n"),
            b'{' => return Err(is("an object")),
            b'[' => return Err(is("a list")),
            b'n' => return Err(is("null")),
            _ => text[value].to_owned(),
        };
        fields.push(line::written(&name, value.trim_matches(is_edge)));
    }
    Ok(fields)
}

/// Name and value of each member, as ranges of the text of a valid object.
pub(crate) fn members(text: &str) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let bytes = text.as_bytes();
    let skip = move |mut at: usize| {
        while bytes.get(at).is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b',' | b':')) {
            at += 1;
        }
        at
    };
    let mut at = 1;
    std::iter::from_fn(move || {
        let name = skip(at);
        if bytes.get(name) != Some(&b'"') {
            return None;
        }
        let name = name..end_of_string(bytes, name + 1) + 1;
        let start = skip(name.end);
        at = end_of_value(bytes, start);
        Some((name, start..at))
    })
}

/// Where the value that begins at `at` ends.
fn end_of_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at + 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b',' if depth == 0 => return at,
            b if depth == 0 && b.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    at
}

/// The index of the quote that ends the string whose content begins at `at`.
pub(crate) fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_whole_whatever_its_value_holds() {
        let values = [
            r#"{"a": "x", "b": {"c": [1, 2], "d": "}"}, "e": ","}"#,
            r#"[1, "]", {"a": 2, "b": 3}, [4, 5]]"#,
            r#""a,\"}b""#,
            "12000.50",
            "-1e5",
            "null",
            "{}",
        ];
        for value in values {
            let text = format!(r#"{{ "first" : {value} , "b}}": {value},"last":{value}}}"#);
            let found: Vec<(&str, &str)> = members(&text).map(|(name, value)| (&text[name], &text[value])).collect();
            assert_eq!(found, [(r#""first""#, value), (r#""b}""#, value), (r#""last""#, value)], "{text}");
        }
    }
}
