//! In what form a report is written: as plain text, or as a document of a JSON Schema of which the model is told.

use super::document::{self, Step};
use super::options::{ReportMode, ReportOptions};
use super::schema::{Marked, built_in, task};
use super::subject::Subject;
use crate::conclusions::TOP;
use crate::error::Result;
use crate::generate::{GenerateOptions, check_schema_size};
use crate::own_stack::on_own_stack;
use serde_json::Value;

pub(super) enum Form {
    Text,
    Document {
        marked: Marked,
        /// What the model reads before the case.
        told: Option<String>,
    },
}

impl Form {
    pub(super) fn of(options: &ReportOptions, subject: &Subject) -> Result<Self> {
        if options.mode() == ReportMode::Text {
            return Ok(Form::Text);
        }
        let names = subject.names();
        let own = || built_in(options.max_conclusions, !names.is_empty());
        if let Some(host) = &options.schema {
            check_schema_size(host)?;
        }
        let names = Value::from(names.clone());
        let marked = on_own_stack(|| Marked::read(options.schema.as_ref().unwrap_or(&own()), &names))??;
        let told = options.tell_schema.then(|| on_own_stack(|| task(&marked.schema, &subject.text()))).transpose()?;
        Ok(Form::Document { marked, told })
    }

    /// The prompt on a case.
    pub(super) fn prompt(&self, case: &str) -> String {
        match self {
            Form::Document { told: Some(told), .. } => format!("{told}\n\n{case}"),
            _ => case.to_owned(),
        }
    }

    /// How its text is generated.
    pub(super) fn generate(&self, options: &ReportOptions) -> GenerateOptions {
        let json_schema = match self {
            Form::Text => None,
            Form::Document { marked, .. } => Some(marked.schema.clone()),
        };
        GenerateOptions { json_schema, top_logprobs: TOP, ..options.generate.clone() }
    }

    /// Whether all conclusions are measured, since the document has places for it.
    pub(super) fn is_filled(&self) -> bool {
        matches!(self, Form::Document { marked, .. } if marked.is_filled())
    }

    /// The document with what was measured of its conclusions.
    pub(super) fn filled(&self, mut document: Value, paths: &[Vec<Step>], conclusions: &[Value]) -> Value {
        if let Form::Document { marked, .. } = self {
            let measured = |(path, conclusion): (&Vec<Step>, &Value)| {
                (path.clone(), conclusion["confidence"].clone(), conclusion["sources"].clone())
            };
            let measured: Vec<_> = paths.iter().zip(conclusions).map(measured).collect();
            marked.fill(&mut document, &measured);
        }
        document
    }

    /// Reads a document; none of a plain text.
    pub(super) fn document(&self, text: &str) -> Result<Option<(&Marked, Value, Vec<document::StringValue>)>> {
        let Form::Document { marked, .. } = self else { return Ok(None) };
        let (document, strings) = document::read(text)?;
        Ok(Some((marked, document, strings)))
    }
}
