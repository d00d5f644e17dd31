//! What a caller may ask of a report.

use super::packs::Pack;
use super::rules::RulesOptions;
use crate::error::Result;
use crate::generate::{GenerateOptions, check_schema_numbers};
use crate::options::{Options, invalid};
use crate::passages::Passage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// How the model writes its conclusions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportMode {
    /// A plain comment, as the adapter was trained on; its sentences are the conclusions.
    Text,
    /// A JSON document; the model says of each conclusion what kind it is and which field it rests on.
    Schema,
}

/// What a report is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A line, an object or a table of fields.
    Fields,
    /// Text, alone or with passages.
    Text,
}

/// How a report is written and measured.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportOptions {
    /// A scenario that gives role prompt and schema: the name of a built-in one, or the path of a YAML or JSON file. What else is said here comes before what it says.
    pub pack: Option<String>,
    /// What the input is; null takes JSON with passages, or text beside `passages`, as text, and all else as fields.
    pub input: Option<InputKind>,
    /// Passages that a conclusion on a text may rest on: of a handbook, of several interviewers.
    pub passages: Vec<Passage>,
    /// How the report is written; null means `schema` if a schema is given, else `text`.
    pub mode: Option<ReportMode>,
    /// The JSON Schema of the document in schema mode; by default a built-in one with a report and its conclusions. Its `x-tailora-` marks (docs/packs.md) say where names of fields, confidences and sources go.
    pub schema: Option<Value>,
    /// Tell the model the schema, before the case: it writes what fits in any case, but only what it was told makes sense. Not for adapters trained to write such documents from the case alone.
    pub tell_schema: bool,
    /// Most conclusions in the report.
    #[schemars(range(min = 1, max = 64))]
    pub max_conclusions: usize,
    /// Measure what each conclusion owes to each field: the report is written again with up to five other values of the field (fewer with more than 24 fields), in batches. Without it, the sources are the fields that a conclusion names.
    pub influence: bool,
    /// Fields that must not matter, such as a name or a gender. Where one moves a conclusion all the same, the envelope's `bias` says so.
    pub protected: Vec<String>,
    /// House rules: `{"banned": [{"phrase": "有待提升", "instead": "可进一步加强"}], "required": [{"when": {"field": "潜力", "equals": "高"}, "mention": ["继任者计划"], "write": "建议纳入继任者计划。"}]}`. What is banned is not written; what is required and missing is, by the rule. The envelope's `rules` say so (docs/packs.md).
    pub rules: RulesOptions,
    /// A file of words, in YAML or JSON, by which conclusions are told apart and sentences cut: the lists `recommendation`, `risk`, `strength` and `abbreviations`, each in place of the built-in one.
    pub lexicon: Option<PathBuf>,
    /// How the text is generated, role prompt included; `messages` are the conversation before the input, which is its last turn. `json_schema`, `regex`, `lark`, `logprobs`, `top_logprobs` and `n` do not belong here.
    pub generate: GenerateOptions,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            pack: None,
            input: None,
            passages: Vec::new(),
            mode: None,
            schema: None,
            tell_schema: true,
            max_conclusions: 8,
            influence: true,
            protected: Vec::new(),
            rules: RulesOptions::default(),
            lexicon: None,
            generate: GenerateOptions::default(),
        }
    }
}

impl ReportOptions {
    /// The mode, given or implied.
    pub fn mode(&self) -> ReportMode {
        self.mode.unwrap_or(if self.schema.is_some() { ReportMode::Schema } else { ReportMode::Text })
    }
}

impl Options for ReportOptions {
    const NAME: &'static str = "report";

    fn check_text(text: &str) -> Result<()> {
        check_schema_numbers(text, "schema")
    }

    fn complete(given: Map<String, Value>) -> Result<Value> {
        match given.get("pack").and_then(Value::as_str) {
            None => Ok(Value::Object(given)),
            Some(name) => Ok(Pack::find(name)?.under(given)),
        }
    }

    fn check(&self) -> Result<()> {
        if self.input == Some(InputKind::Text) && !self.protected.is_empty() {
            return Err(invalid("protected", "given for a text", "none: only fields can be given other values"));
        }
        if self.input == Some(InputKind::Fields) && !self.passages.is_empty() {
            return Err(invalid("passages", "given beside fields", "none, or the input `text`"));
        }
        if self.schema.is_some() && self.mode() == ReportMode::Text {
            return Err(invalid("schema", "given in text mode", "mode `schema`, or no schema"));
        }
        if self.generate.json_schema.is_some() {
            return Err(invalid("generate.json_schema", "given", "the report's own option `schema`"));
        }
        for (name, given) in [("generate.regex", &self.generate.regex), ("generate.lark", &self.generate.lark)] {
            if given.is_some() {
                return Err(invalid(name, "given", "a report's document is JSON: the option `schema`"));
            }
        }
        if self.generate.logprobs {
            return Err(invalid("generate.logprobs", "true", "false: a report gives confidences instead"));
        }
        if self.generate.top_logprobs > 0 {
            let found = self.generate.top_logprobs;
            return Err(invalid("generate.top_logprobs", found, "0: a report gives confidences instead"));
        }
        if self.generate.n != 1 {
            return Err(invalid("generate.n", self.generate.n, "1: a report is written once"));
        }
        if self.mode() == ReportMode::Schema && !self.generate.stop.is_empty() {
            return Err(invalid(
                "generate.stop",
                "given in schema mode",
                "no stop string: it would break the document",
            ));
        }
        self.generate.check()?;
        self.rules.check(&self.generate.banned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;

    #[test]
    fn a_schema_implies_its_mode() {
        assert_eq!(parse::<ReportOptions>(None).unwrap().mode(), ReportMode::Text);
        assert_eq!(parse::<ReportOptions>(Some(r#"{"mode":"schema"}"#)).unwrap().mode(), ReportMode::Schema);
        assert_eq!(parse::<ReportOptions>(Some(r#"{"schema":{}}"#)).unwrap().mode(), ReportMode::Schema);
    }

    #[test]
    fn contradictions_are_named() {
        for (json, name) in [
            (r#"{"mode":"text","schema":{}}"#, "schema"),
            (r#"{"max_conclusions":0}"#, "max_conclusions"),
            (r#"{"generate":{"json_schema":{}}}"#, "generate.json_schema"),
            (r#"{"generate":{"regex":"a"}}"#, "generate.regex"),
            (r#"{"generate":{"lark":"start: A"}}"#, "generate.lark"),
            (r#"{"generate":{"logprobs":true}}"#, "generate.logprobs"),
            (r#"{"generate":{"top_logprobs":1}}"#, "generate.top_logprobs"),
            (r#"{"rules":{"banned":[{"phrase":""}]}}"#, "rules.banned"),
            (r#"{"rules":{"required":[{"when":{"field":"a"},"mention":["b"]}]}}"#, "rules.required"),
            (r#"{"generate":{"n":2}}"#, "generate.n"),
            (r#"{"mode":"schema","generate":{"stop":["x"]}}"#, "generate.stop"),
            (r#"{"generate":{"top_p":2}}"#, "generate.top_p"),
        ] {
            assert_eq!(parse::<ReportOptions>(Some(json)).unwrap_err().details()["option"], name, "{json}");
        }
    }
}
