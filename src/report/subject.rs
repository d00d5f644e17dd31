//! What a report is on: fields, or text with passages.

use super::options::{InputKind, ReportOptions};
use crate::adapter::learnt::LearntRows;
use crate::error::Result;
use crate::fields::Fields;
use crate::passages::Passages;

/// The case.
pub(super) enum Subject {
    Fields(Fields),
    /// The fields are none.
    Passages(Passages, Fields),
}

impl Subject {
    pub(super) fn read(input: &str, options: &ReportOptions, learnt: &LearntRows) -> Result<Self> {
        let is_text = match options.input {
            Some(kind) => kind == InputKind::Text,
            None => !options.passages.is_empty() || Passages::is_json(input),
        };
        if is_text {
            return Ok(Subject::Passages(Passages::parse(input, &options.passages)?, Fields::none()));
        }
        let order = learnt.fields.iter().map(|field| field.name.as_str());
        Ok(Subject::Fields(Fields::parse(input)?.in_order_of(order)))
    }

    /// What the model reads.
    pub(super) fn text(&self) -> String {
        match self {
            Subject::Fields(fields) => fields.text(),
            Subject::Passages(passages, _) => passages.text(),
        }
    }

    /// Its fields; none of a text.
    pub(super) fn fields(&self) -> &Fields {
        match self {
            Subject::Fields(fields) | Subject::Passages(_, fields) => fields,
        }
    }

    /// The names that a source may have: of fields, or of passages.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Subject::Fields(fields) => fields.iter().map(|field| field.name.as_str()).collect(),
            Subject::Passages(passages, _) => passages.ids().collect(),
        }
    }

    /// Whether it says something word for word.
    pub(super) fn says(&self, quoted: &str) -> bool {
        match self {
            Subject::Fields(fields) => fields.iter().any(|field| field.value.contains(quoted) || field.name == quoted),
            Subject::Passages(passages, _) => passages.texts().any(|text| text.contains(quoted)),
        }
    }
}
