//! The conclusions of a text, each with the fields that it names.

use super::document::{Step, StringValue};
use super::{ReportMode, document};
use crate::conclusions::{Kind, Said, sentences};
use crate::error::Result;
use crate::fields::Fields;
use serde_json::Value;
use std::ops::Range;

/// A conclusion before it is measured.
#[derive(Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Its bytes in the generated text.
    pub(super) range: Range<usize>,
    /// Fields that it names, or that the model gave as its source.
    pub(super) fields: Vec<usize>,
}

/// What a generated text says.
pub(super) struct Written {
    /// The comment.
    pub(super) text: String,
    pub(super) claims: Vec<Claim>,
    /// In schema mode, the whole of it.
    pub(super) document: Option<Value>,
}

impl Written {
    pub(super) fn read(text: &str, mode: ReportMode, fields: &Fields) -> Result<Written> {
        if mode == ReportMode::Text {
            return Ok(Written { text: text.to_owned(), claims: claims_of_text(text, fields), document: None });
        }
        let (document, strings) = document::read(text)?;
        let comment = document["report"].as_str().unwrap_or(text).to_owned();
        let claims = claims_of_document(&document, strings, fields);
        Ok(Written { text: comment, claims, document: Some(document) })
    }
}

impl Claim {
    /// The same, as it is compared with others.
    pub(super) fn said(&self, fields: &Fields) -> Said {
        Said::new(&self.text, fields.iter().map(|field| field.value.as_str()))
    }
}

/// The conclusions of another text on the case, or on one like it; none of one that was cut so that it cannot be read.
pub(super) fn said(text: &str, mode: ReportMode, fields: &Fields) -> Vec<Said> {
    let read = Written::read(text, mode, fields);
    read.map_or_else(|_| Vec::new(), |read| read.claims.iter().map(|claim| claim.said(fields)).collect())
}

/// Each sentence is a conclusion; its sources so far are the fields that it names.
fn claims_of_text(text: &str, fields: &Fields) -> Vec<Claim> {
    let claim = |range: Range<usize>| {
        let sentence = &text[range.clone()];
        Claim {
            kind: Kind::of_sentence(sentence),
            text: sentence.to_string(),
            range,
            fields: mentioned(sentence, fields),
        }
    };
    sentences(text).into_iter().map(claim).collect()
}

/// Fields whose name or value stands in `text`. A value of one character (`A`, `高`) stands in too many.
fn mentioned(text: &str, fields: &Fields) -> Vec<usize> {
    let says = |part: &str, least: usize| part.chars().count() >= least && text.contains(part);
    let named = fields.iter().enumerate().filter(|(_, field)| says(&field.name, 1) || says(&field.value, 2));
    named.map(|(index, _)| index).collect()
}

/// The conclusions of a document: the items of `conclusions` that have a `text`; in a document without such a list,
/// every string. `kind`, and `source` or `sources` where they name a field, are taken as the model gave them.
fn claims_of_document(document: &Value, strings: Vec<StringValue>, fields: &Fields) -> Vec<Claim> {
    let items = document["conclusions"].as_array();
    let listed = items.is_some_and(|items| items.iter().any(|item| item["text"].is_string()));
    let claim = |string: StringValue| {
        if string.value.trim().is_empty() {
            return None;
        }
        let item = match string.path.as_slice() {
            [Step::Key(list), Step::Index(index), Step::Key(text)] if list == "conclusions" && text == "text" => {
                items.and_then(|items| items.get(*index))
            }
            _ if listed => return None,
            _ => None,
        };
        let given = |key: &str| item.and_then(|item| item.get(key));
        let kind = given("kind").and_then(Value::as_str).and_then(Kind::named);
        let sources =
            given("source").into_iter().chain(given("sources").and_then(Value::as_array).into_iter().flatten());
        let mut cited: Vec<usize> =
            sources.filter_map(Value::as_str).filter_map(|name| fields.position(name)).collect();
        cited.sort_unstable();
        cited.dedup();
        if cited.is_empty() {
            cited = mentioned(&string.value, fields);
        }
        Some(Claim {
            kind: kind.unwrap_or_else(|| Kind::of_sentence(&string.value)),
            text: string.value,
            range: string.range,
            fields: cited,
        })
    };
    strings.into_iter().filter_map(claim).collect()
}
