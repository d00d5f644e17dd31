//! What a host hands over for one person, and what of a report's envelope a Word file shows.

use super::xml::can_hold;
use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of a report at most; a few pages have 5,000.
const MAX_REPORT: usize = 50_000;
/// Characters of an input at most: what a report is written on.
const MAX_INPUT: usize = 1 << 20;
const MAX_CONCLUSIONS: usize = 64;

/// One report and whom it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The host's name for the case; what was reviewed comes back under it.
    pub id: String,
    /// The heading; by default the id.
    #[serde(default)]
    pub title: Option<String>,
    /// The input that the report was written on, as it was given.
    pub input: String,
    /// The report: an envelope `tailora.report/1`.
    pub report: Value,
}

/// The parts of an envelope that are shown; others may be there.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    schema: String,
    pub(super) report: String,
    pub(super) conclusions: Vec<Conclusion>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Conclusion {
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) confidence: f64,
    pub(super) confidence_kind: String,
    #[serde(default)]
    pub(super) band: Option<Band>,
    pub(super) sources: Vec<Source>,
    #[serde(default)]
    pub(super) grounded: Option<bool>,
    /// Numbers of the text that the input does not have.
    #[serde(default)]
    pub(super) unsupported: Vec<Value>,
}

/// What is known of a confidence that few conclusions were there for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Band {
    pub(super) name: String,
    pub(super) interval: [f64; 2],
}

/// A field of the case with its value, or a part of its text.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Source {
    #[serde(default)]
    pub(super) field: Option<String>,
    #[serde(default)]
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) passage: Option<String>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) influence: Option<f64>,
}

impl Case {
    /// The heading.
    pub(super) fn heading(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// Reads the envelope. `index` is the case's place in the list, for the error.
    pub(super) fn envelope(&self, index: usize) -> Result<Envelope> {
        let wrong = |path: &str, why: String| {
            Error::new(Code::InvalidArgument, format!("cases[{index}].{path} (case `{}`): {why}", self.id))
                .with("case", index)
                .with("id", &self.id)
                .with("json_path", path)
        };
        let mut envelope: Envelope = serde_path_to_error::deserialize(&self.report)
            .map_err(|err| wrong(&path_of(err.path()), err.inner().to_string()))?;
        if envelope.schema != "tailora.report/1" {
            return Err(wrong("report.schema", format!("`{}`; expected `tailora.report/1`", envelope.schema)));
        }
        check_length(&self.input, MAX_INPUT).map_err(|why| wrong("input", why))?;
        check_length(&envelope.report, MAX_REPORT).map_err(|why| wrong("report.report", why))?;
        if self.heading().trim().is_empty() {
            return Err(wrong("id", "it is empty, and there is no title; expected one of them".to_owned()));
        }
        if envelope.conclusions.len() > MAX_CONCLUSIONS {
            let why = format!("{} conclusions; expected at most {MAX_CONCLUSIONS}", envelope.conclusions.len());
            return Err(wrong("report.conclusions", why));
        }
        envelope.report = displayed(&envelope.report).trim().to_owned();
        for (number, conclusion) in envelope.conclusions.iter_mut().enumerate() {
            let path = |key: &str| format!("report.conclusions[{number}].{key}");
            if !(0.0..=1.0).contains(&conclusion.confidence) {
                return Err(wrong(&path("confidence"), format!("{}; expected 0 to 1", conclusion.confidence)));
            }
            check_length(&conclusion.text, MAX_REPORT).map_err(|why| wrong(&path("text"), why))?;
            conclusion.text = displayed(&conclusion.text).trim().to_owned();
            if conclusion.text.is_empty() {
                return Err(wrong(&path("text"), "it is empty; expected the conclusion".to_owned()));
            }
        }
        Ok(envelope)
    }
}

/// A text as a Word file shows it: line breaks are line feeds, and what XML cannot hold (control characters) is U+FFFD.
pub(super) fn displayed(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().map(|c| if can_hold(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn check_length(text: &str, limit: usize) -> std::result::Result<(), String> {
    let chars = text.chars().count();
    if chars > limit { Err(format!("it has {chars} characters; expected at most {limit}")) } else { Ok(()) }
}

fn path_of(path: &serde_path_to_error::Path) -> String {
    match path.to_string().as_str() {
        "." => "report".to_owned(),
        path => format!("report.{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_envelope_is_refused_by_its_path() {
        let conclusion =
            json!({"kind": "risk", "text": "a", "confidence": 0.5, "confidence_kind": "band", "sources": []});
        let envelope = json!({"schema": "tailora.report/1", "report": " a\r\nb\u{1} ", "conclusions": [conclusion]});
        let case = |report: Value| Case { id: "E1".into(), title: None, input: String::new(), report };
        let read = case(envelope.clone()).envelope(0).unwrap();
        assert_eq!(read.report, "a\nb\u{fffd}");
        for (pointer, value, path) in [
            ("/schema", json!("x/2"), "report.schema"),
            ("/report", json!(3), "report.report"),
            ("/report", json!("a".repeat(MAX_REPORT + 1)), "report.report"),
            ("/conclusions", json!(vec![conclusion.clone(); MAX_CONCLUSIONS + 1]), "report.conclusions"),
            ("/conclusions/0/confidence", json!(1.5), "report.conclusions[0].confidence"),
            ("/conclusions/0/confidence", json!("high"), "report.conclusions[0].confidence"),
            ("/conclusions/0/text", json!(" \n"), "report.conclusions[0].text"),
            ("/conclusions/0/sources", json!([{"field": 1}]), "report.conclusions[0].sources[0].field"),
        ] {
            let mut wrong = envelope.clone();
            *wrong.pointer_mut(pointer).unwrap() = value;
            let err = case(wrong).envelope(7).unwrap_err();
            assert_eq!(err.details()["json_path"], path, "{err}");
            assert!(err.message().starts_with(&format!("cases[7].{path} (case `E1`): ")), "{err}");
        }
        assert_eq!(case(json!([])).envelope(0).unwrap_err().details()["json_path"], "report");
        assert!(Case { id: " ".into(), ..case(envelope) }.envelope(0).is_err());
    }
}
