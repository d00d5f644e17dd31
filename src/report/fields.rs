//! The fields of one case: a line as the CSV has it, or a JSON object.
//!
//! A line is `name:value` pairs, `岗位:P7高级架构师,绩效:A/A-，潜力：高`. Names end at the first colon, `:` or `：`; fields are
//! parted by `,` `，` `;` `；` `、` or a line break. A part without a colon belongs to the value before it, so that values
//! may hold commas (`优点:认真,负责`) and numbers their separators (`12,000`).

use crate::error::{Code, Error, Result};
use serde_json::Value;
use std::collections::HashSet;

/// Bounds the grammar that is compiled for a case; a talent file has a few dozen.
const MAX_FIELDS: usize = 256;

/// A longer "name" is prose with a colon in it.
const MAX_NAME_CHARS: usize = 64;

/// One named fact about the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The field as the model reads it, with the separator that follows it.
    written: String,
}

/// The fields in the order of the input; at least one, names unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    /// Reads a JSON object if `input` begins like one, a line of fields otherwise.
    pub(crate) fn parse(input: &str) -> Result<Self> {
        let text = input.trim();
        if text.is_empty() {
            return Err(bad("the input is empty; expected fields such as `岗位:工程师,绩效:A`"));
        }
        let fields = if text.starts_with('{') { from_object(text)? } else { from_line(text)? };
        check(&fields)?;
        Ok(Fields(fields))
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|field| field.name == name)
    }

    /// The text that the model reads.
    pub(crate) fn text(&self) -> String {
        self.joined(|_| true)
    }

    /// The same without one field.
    pub(crate) fn text_without(&self, left_out: usize) -> String {
        self.joined(|index| index != left_out)
    }

    fn joined(&self, keep: impl Fn(usize) -> bool) -> String {
        let text: String = self
            .0
            .iter()
            .enumerate()
            .filter(|(index, _)| keep(*index))
            .map(|(_, field)| field.written.as_str())
            .collect();
        text.trim_end_matches(is_separator).to_string()
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | '，' | ';' | '；' | '、' | '\n' | '\r')
}

fn is_colon(c: char) -> bool {
    matches!(c, ':' | '：')
}

fn from_line(text: &str) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    for part in text.split_inclusive(is_separator) {
        match (part.split_once(is_colon), fields.last_mut()) {
            (Some((name, _)), _) => {
                fields.push(Field { name: name.trim().to_string(), value: String::new(), written: part.to_string() })
            }
            (None, Some(field)) => field.written.push_str(part),
            (None, None) if part.trim_matches(is_separator).trim().is_empty() => {}
            (None, None) => {
                return Err(bad(format!(
                    "the input has no field at `{}`; expected `name:value` pairs such as `岗位:工程师,绩效:A`",
                    start_of(part)
                )));
            }
        }
    }
    for field in &mut fields {
        let value = field.written.split_once(is_colon).map(|(_, value)| value).unwrap_or_default();
        field.value = value.trim_end_matches(|c: char| is_separator(c) || c.is_whitespace()).trim_start().to_string();
    }
    Ok(fields)
}

fn from_object(text: &str) -> Result<Vec<Field>> {
    check_repeated_keys(text)?;
    let value: Value = serde_json::from_str(text).map_err(|err| {
        bad(format!("the input begins like a JSON object, but is not valid JSON: {err}"))
            .with("line", err.line())
            .with("column", err.column())
    })?;
    let Value::Object(object) = value else { return Err(bad("the input must be a JSON object of fields")) };
    let last = object.len().saturating_sub(1);
    object
        .into_iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let value = match value {
                Value::String(text) => text.trim().to_string(),
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(
                        bad(format!("the field `{name}` is not a text, a number, true or false")).with("field", &name)
                    );
                }
            };
            let name = name.trim().to_string();
            let separator = if index == last { "" } else { "," };
            Ok(Field { written: format!("{name}:{value}{separator}"), name, value })
        })
        .collect()
}

/// `serde_json` keeps the last of two equal keys; here the first would be lost without a word.
fn check_repeated_keys(text: &str) -> Result<()> {
    struct Keys;
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of fields")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
            let mut seen = HashSet::new();
            let mut repeated = None;
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                if !seen.insert(key.clone()) {
                    repeated.get_or_insert(key);
                }
            }
            Ok(repeated)
        }
    }
    // What is not valid JSON is reported by the caller, with its place.
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde::Deserializer::deserialize_map(&mut reader, Keys) {
        Ok(Some(name)) => Err(repeated(&name)),
        _ => Ok(()),
    }
}

fn check(fields: &[Field]) -> Result<()> {
    if fields.is_empty() {
        return Err(bad("the input has no field; expected `name:value` pairs such as `岗位:工程师,绩效:A`"));
    }
    if fields.len() > MAX_FIELDS {
        return Err(bad(format!("the input has {} fields; expected at most {MAX_FIELDS}", fields.len())));
    }
    let mut seen = HashSet::new();
    for field in fields {
        let chars = field.name.chars().count();
        if chars == 0 {
            return Err(bad(format!("a field has no name before the colon in `{}`", start_of(&field.written))));
        }
        if chars > MAX_NAME_CHARS {
            return Err(bad(format!(
                "a field's name has {chars} characters, `{}…`; expected at most {MAX_NAME_CHARS}",
                start_of(&field.name)
            )));
        }
        if !seen.insert(field.name.as_str()) {
            return Err(repeated(&field.name));
        }
    }
    Ok(())
}

fn repeated(name: &str) -> Error {
    bad(format!("the field `{name}` is given twice; a source could not say which one it means")).with("field", name)
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

fn start_of(text: &str) -> String {
    text.trim().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(input: &str) -> Vec<(String, String)> {
        Fields::parse(input).unwrap().iter().map(|field| (field.name.clone(), field.value.clone())).collect()
    }

    fn expect(input: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        assert_eq!(pairs(input), expected, "{input}");
    }

    #[test]
    fn lines_in_either_punctuation() {
        expect(
            "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10",
            &[("岗位", "P7高级架构师"), ("绩效", "A/A-"), ("潜力", "高"), ("技术深度", "9/10")],
        );
        expect(
            "岗位：工程师；绩效：B+、潜力：中\n年限：3",
            &[("岗位", "工程师"), ("绩效", "B+"), ("潜力", "中"), ("年限", "3")],
        );
        expect(" role : engineer ; rating: A , ", &[("role", "engineer"), ("rating", "A")]);
    }

    #[test]
    fn a_part_without_a_name_goes_on_with_the_value() {
        expect("优点:认真,负责,年薪:12,000", &[("优点", "认真,负责"), ("年薪", "12,000")]);
        expect("技能:Java、Go，入职:2020-01-01 10:30", &[("技能", "Java、Go"), ("入职", "2020-01-01 10:30")]);
        expect("备注:", &[("备注", "")]);
    }

    #[test]
    fn objects_become_lines() {
        expect(r#"{"岗位":"工程师","年限":3,"调岗":true}"#, &[("岗位", "工程师"), ("年限", "3"), ("调岗", "true")]);
        assert_eq!(Fields::parse(r#"{"a":"x, y","b":1.5}"#).unwrap().text(), "a:x, y,b:1.5");
    }

    #[test]
    fn leaving_a_field_out_leaves_the_others_as_they_were() {
        let fields = Fields::parse("岗位：工程师；绩效:A，优点:认真,负责").unwrap();
        assert_eq!(fields.text(), "岗位：工程师；绩效:A，优点:认真,负责");
        assert_eq!(fields.text_without(0), "绩效:A，优点:认真,负责");
        assert_eq!(fields.text_without(1), "岗位：工程师；优点:认真,负责");
        assert_eq!(fields.text_without(2), "岗位：工程师；绩效:A");
        assert_eq!(Fields::parse("a:1").unwrap().text_without(0), "");
    }

    #[test]
    fn what_has_no_fields_is_refused_with_a_reason() {
        for (input, part) in [
            ("", "is empty"),
            ("  \n", "is empty"),
            (",,", "no field"),
            ("hello", "no field at `hello`"),
            ("hello, a:1", "no field at `hello,`"),
            (":x", "no name"),
            ("a:1,a:2", "`a` is given twice"),
            (r#"{"a":1,"b":2,"a":3}"#, "`a` is given twice"),
            (r#"{"a":1,"a ":3}"#, "`a` is given twice"),
            ("{}", "no field"),
            (r#"{"a":null}"#, "`a` is not a text"),
            (r#"{"a":[1]}"#, "`a` is not a text"),
            (r#"{"a":1"#, "not valid JSON"),
            (r#"{"a":1} x"#, "not valid JSON"),
        ] {
            let err = Fields::parse(input).unwrap_err();
            assert_eq!(err.code(), Code::InvalidArgument, "{input}");
            assert!(err.message().contains(part), "{input}: {err}");
        }
        let many: String = (0..300).map(|i| format!("f{i}:1,")).collect();
        assert!(Fields::parse(&many).unwrap_err().message().contains("300 fields"));
        let long = format!("{}:1", "名".repeat(65));
        assert!(Fields::parse(&long).unwrap_err().message().contains("65 characters"));
    }
}
