//! The schema that is used when the host gives none: a report and its conclusions, each with what it says under the name
//! of its kind, its confidence, and the field that it rests on.

use crate::conclusions::Kind;
use serde_json::{Map, Value, json};

/// Letters of the built-in schema's texts: bounded, so that a report ends.
const MAX_REPORT_LETTERS: usize = 600;
const MAX_CONCLUSION_LETTERS: usize = 200;
const MIN_LETTERS: usize = 4;

/// For at most so many conclusions; with the marks of a host's schema. A text without passages has nothing to name as a
/// source.
pub(crate) fn built_in(max_conclusions: usize, names_sources: bool) -> Value {
    let kinds: Vec<Value> = Kind::NAMES.iter().map(|kind| conclusion(kind, names_sources)).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["report", "conclusions"],
        "properties": {
            "report": text(MAX_REPORT_LETTERS),
            "conclusions": { "type": "array", "minItems": 1, "maxItems": max_conclusions, "items": { "anyOf": kinds } },
        },
    })
}

fn conclusion(kind: &str, names_sources: bool) -> Value {
    let mut said = text(MAX_CONCLUSION_LETTERS);
    said["x-tailora-kind"] = kind.into();
    let properties = [
        (kind, said),
        ("confidence", json!({ "type": "number", "x-tailora-confidence": true })),
        ("source", json!({ "type": "string", "x-tailora-enum": "fields" })),
    ];
    let count = if names_sources { 3 } else { 2 };
    let properties: Map<String, Value> =
        properties.into_iter().take(count).map(|(name, property)| (name.to_owned(), property)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// A text that says something: it begins with a word, and between letters stand few other characters.
fn text(max_letters: usize) -> Value {
    let more = format!("{},{}", MIN_LETTERS - 1, max_letters - 1);
    json!({
        "type": "string",
        "pattern": format!(r"^[《【（“(]?[\p{{L}}\p{{N}}]([\p{{P}}\p{{S}} ]{{0,3}}[\p{{L}}\p{{N}}]){{{more}}}\p{{P}}{{0,2}}$"),
    })
}
