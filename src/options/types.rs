//! Wrong types in options, in words: serde speaks of `usize` and of sequences, and the hosts' authors need not.

use super::resolve;
use crate::error::{Code, Error};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// A value as a message quotes it.
pub(super) fn found(value: &Value) -> String {
    const LONGEST: usize = 80;
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("a text of {} characters", text.chars().count())
        }
        Value::String(text) if text.contains(['{', '\n']) => "a text".to_owned(),
        other => other.to_string(),
    }
}

/// The error of an option whose value serde refused.
pub(super) fn wrong(
    options: &Value,
    schema: &Value,
    set: &str,
    err: &serde_path_to_error::Error<serde_json::Error>,
) -> Error {
    let (mut value, mut property) = (options, schema);
    let (mut option, mut place) = (String::new(), String::new());
    for segment in named(err.path()) {
        match segment {
            Segment::Map { key } => {
                let Some(inner) = value.get(key) else { break };
                let dot = if option.is_empty() { "" } else { "." };
                value = inner;
                // Inside of a value that the schema does not spell out, the option is the one around it.
                match property.get("properties").and_then(|known| known.get(key)) {
                    Some(known) => {
                        property = resolve(known, schema).0;
                        option = format!("{option}{dot}{key}");
                        place = format!("{place}{dot}{key}");
                    }
                    None => {
                        let values = property.get("additionalProperties").filter(|values| values.is_object());
                        property = values.map_or(&Value::Null, |values| resolve(values, schema).0);
                        place = format!("{place}{dot}{key}");
                    }
                }
            }
            Segment::Seq { index } => {
                let Some(inner) = value.get(index) else { break };
                value = inner;
                property = property.get("items").map_or(&Value::Null, |items| resolve(items, schema).0);
                place = format!("{place}[{index}]");
            }
            _ => break,
        }
    }
    let reason = err.inner().to_string();
    // A text of a form of its own: what refused it knows the form.
    let formed = property.get("pattern").is_some() && value.is_string();
    // An object whose keys were refused, not the object.
    let keyed = value.is_object() && names(property).any(|name| name == "object");
    let text = match expected(property).filter(|_| !formed && !keyed) {
        Some(expected) if option.is_empty() => format!("the {set} options are {}; expected {expected}", found(value)),
        Some(expected) => {
            let hint = if is_quoted(value) && !accepts_text(property) { "; write it without quotes" } else { "" };
            format!("{set} option `{place}` is {}; expected {expected}{hint}", found(value))
        }
        None if option.is_empty() => format!("{set} options: {reason}"),
        None => format!("{set} option `{place}`: {reason}"),
    };
    let error = Error::new(Code::InvalidOptions, text);
    if option.is_empty() { error } else { error.with("option", option) }
}

fn named(path: &Path) -> impl Iterator<Item = &Segment> {
    path.iter().take_while(|segment| !matches!(segment, Segment::Unknown))
}

/// Whether a text holds what was perhaps meant: `"8"`, `"true"`.
fn is_quoted(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        serde_json::from_str::<Value>(text)
            .is_ok_and(|meant| meant.is_number() || meant.is_boolean() || meant.is_null())
    })
}

fn accepts_text(property: &Value) -> bool {
    names(property).any(|name| name == "string")
}

pub(super) fn names(property: &Value) -> impl Iterator<Item = &str> {
    let kind = property.get("type");
    let list = kind.and_then(Value::as_array).into_iter().flatten();
    list.chain(kind.filter(|kind| kind.is_string())).filter_map(Value::as_str)
}

/// What a property's schema asks for; `None` where it is too much for a sentence.
pub(super) fn expected(property: &Value) -> Option<String> {
    let variants = property.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let constants: Option<Vec<String>> = variants.map(|variant| variant.get("const").map(Value::to_string)).collect();
    let choices = property.get("enum").and_then(Value::as_array);
    let words: Option<Vec<String>> = match (constants.filter(|found| !found.is_empty()), choices) {
        (Some(constants), _) => Some(constants),
        (None, Some(choices)) => Some(choices.iter().map(Value::to_string).collect()),
        (None, None) => names(property).map(|name| word(name, property)).collect(),
    };
    words.filter(|words| !words.is_empty()).map(|words| words.join(" or "))
}

fn word(name: &str, property: &Value) -> Option<String> {
    let bound = |key: &str| property.get(key).filter(|bound| bound.is_number());
    // What a type holds at most is no bound that anyone looks for.
    let highest = bound("maximum").filter(|max| max.as_u64().is_none_or(|max| max < u64::from(u32::MAX)));
    let above = bound("exclusiveMinimum").map(|min| format!("above {}", plain(min)));
    let lower = above.or_else(|| bound("minimum").map(|min| format!("of at least {}", plain(min))));
    let below = bound("exclusiveMaximum").map(|max| format!("below {}", plain(max)));
    let upper = below.or_else(|| highest.map(|max| format!("at most {}", plain(max))));
    let range = match (bound("minimum"), highest, lower, upper) {
        (Some(min), Some(max), ..) => format!(" from {} to {}", plain(min), plain(max)),
        (_, _, Some(lower), Some(upper)) => format!(" {lower} and {upper}"),
        (_, _, Some(lower), None) => format!(" {lower}"),
        (_, _, None, Some(upper)) => format!(" {}{upper}", if upper.starts_with("at") { "of " } else { "" }),
        (_, _, None, None) => String::new(),
    };
    Some(match name {
        "integer" => format!("a whole number{range}"),
        "number" => format!("a number{range}"),
        "string" => "a text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "an object".to_owned(),
        "null" => "null".to_owned(),
        _ => return None,
    })
}

/// A bound as people write it: `1`, not `1.0`.
fn plain(bound: &Value) -> String {
    let text = bound.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
