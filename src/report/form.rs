//! In what form a report is written: as plain text, or as a document of a JSON Schema of which the model is told.

use super::document::{self, Step};
use super::options::{ReportMode, ReportOptions};
use super::schema::{Marked, built_in, task};
use super::subject::Subject;
use crate::conclusions::{Lexicon, TOP};
use crate::error::Result;
use crate::generate::{GenerateOptions, check_schema_size};
use crate::own_stack::on_own_stack;
use serde_json::Value;
use std::sync::Arc;

pub(super) struct Form {
    /// The words by which texts are cut.
    pub(super) lexicon: Arc<Lexicon>,
    /// None of plain text.
    document: Option<DocumentForm>,
}

struct DocumentForm {
    marked: Marked,
    /// What the model reads before the case.
    told: Option<String>,
}

impl Form {
    pub(super) fn of(options: &ReportOptions, subject: &Subject) -> Result<Self> {
        let lexicon = Lexicon::of(options.lexicon.as_deref())?;
        if options.mode() == ReportMode::Text {
            return Ok(Form { lexicon, document: None });
        }
        let names = subject.names();
        let own = || built_in(options.max_conclusions, !names.is_empty());
        if let Some(host) = &options.schema {
            check_schema_size(host).map_err(|err| err.with("option", "schema"))?;
        }
        let names = Value::from(names.clone());
        let marked = on_own_stack(|| Marked::read(options.schema.as_ref().unwrap_or(&own()), &names))??;
        let told = options.tell_schema.then(|| on_own_stack(|| task(&marked.schema, &subject.text()))).transpose()?;
        Ok(Form { lexicon, document: Some(DocumentForm { marked, told }) })
    }

    fn marked(&self) -> Option<&Marked> {
        self.document.as_ref().map(|document| &document.marked)
    }

    /// The prompt on a case.
    pub(super) fn prompt(&self, case: &str) -> String {
        match self.document.as_ref().and_then(|document| document.told.as_ref()) {
            Some(told) => format!("{told}\n\n{case}"),
            None => case.to_owned(),
        }
    }

    /// How its text is generated.
    pub(super) fn generate(&self, options: &ReportOptions) -> GenerateOptions {
        let json_schema = self.marked().map(|marked| marked.schema.clone());
        let banned = options.rules.banned_with(&options.generate.banned);
        GenerateOptions { json_schema, banned, top_logprobs: TOP, ..options.generate.clone() }
    }

    /// Whether all conclusions are measured, since the document has places for it.
    pub(super) fn is_filled(&self) -> bool {
        self.marked().is_some_and(Marked::is_filled)
    }

    /// Puts what was measured of the conclusion at `path` into its document.
    pub(super) fn fill(&self, document: &mut Value, path: &[Step], conclusion: &Value) {
        if let Some(marked) = self.marked() {
            marked.fill(document, path, &conclusion["confidence"], &conclusion["sources"]);
        }
    }

    /// Reads a document; none of a plain text.
    pub(super) fn read(&self, text: &str) -> Result<Option<(&Marked, Value, Vec<document::StringValue>)>> {
        let Some(marked) = self.marked() else { return Ok(None) };
        let (document, strings) = document::read(text)?;
        Ok(Some((marked, document, strings)))
    }
}
