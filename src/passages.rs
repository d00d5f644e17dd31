//! A case that is text: what is asked or was said, and passages that an answer may rest on.
//!
//! The model reads each passage under its name, and the text behind them: what all cases have in common, a handbook, comes
//! first and is read once.

use crate::conclusions::{Lexicon, sentences};
use crate::error::{Code, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;

/// Passages of a case.
const MAX_PASSAGES: usize = 256;
/// No context holds more.
const MAX_BYTES: usize = 1 << 20;
const MAX_ID_CHARS: usize = 64;

/// A passage as a host gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// What sources call it: `§ 12`, `interviewer B`.
    pub id: String,
    /// What it says.
    pub text: String,
}

/// The JSON form of a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    text: String,
    passages: Vec<Passage>,
}

/// The text and its passages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passages {
    text: String,
    passages: Vec<Passage>,
}

/// Some bytes of a passage, or of the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// None where the case has no passages: the text stands for itself.
    passage: Option<usize>,
    range: Range<usize>,
}

/// A part as a source names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cited<'a> {
    pub(crate) passage: Option<&'a str>,
    /// In characters, from the passage's beginning.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: &'a str,
}

impl Part {
    /// Whether it is a part of another.
    pub(crate) fn is_in(&self, other: &Part) -> bool {
        self.passage == other.passage && other.range.start <= self.range.start && self.range.end <= other.range.end
    }
}

impl Passages {
    /// A JSON object with `passages` and perhaps `text`; or text, on the passages given beside it.
    pub(crate) fn parse(input: &str, beside: &[Passage]) -> Result<Self> {
        if input.len() > MAX_BYTES {
            return Err(bad(format!("the input has {} bytes; expected at most {MAX_BYTES}", input.len())));
        }
        let given = match Self::is_json(input) {
            true => serde_json::from_str(input).map_err(|err| bad(format!("the input's passages: {err}")))?,
            false => Given { text: input.trim().to_owned(), passages: Vec::new() },
        };
        if !given.passages.is_empty() && !beside.is_empty() {
            return Err(bad("passages are given in the input and in the option `passages`; expected one of them"));
        }
        let passages = if given.passages.is_empty() { beside.to_vec() } else { given.passages };
        let passages = Passages { text: given.text, passages };
        passages.check()?;
        Ok(passages)
    }

    /// Whether an input is a JSON object with passages.
    pub(crate) fn is_json(input: &str) -> bool {
        let input = input.trim_start();
        let object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(input).ok();
        input.starts_with('{')
            && object().is_some_and(|object| object.get("passages").is_some_and(|list| list.is_array()))
    }

    fn check(&self) -> Result<()> {
        if self.passages.len() > MAX_PASSAGES {
            return Err(bad(format!("the case has {} passages; expected at most {MAX_PASSAGES}", self.passages.len())));
        }
        if self.text.trim().is_empty() && self.passages.iter().all(|passage| passage.text.trim().is_empty()) {
            return Err(bad("the case is empty; expected text or passages"));
        }
        let bytes: usize = self.passages.iter().map(|passage| passage.id.len() + passage.text.len()).sum();
        if bytes > MAX_BYTES {
            return Err(bad(format!("the passages have {bytes} bytes; expected at most {MAX_BYTES}")));
        }
        let mut seen = HashSet::new();
        for Passage { id, .. } in &self.passages {
            let chars = id.chars().count();
            if chars == 0 || chars > MAX_ID_CHARS || id.trim() != id || id.chars().any(|c| c.is_control() || c == ']') {
                return Err(bad(format!(
                    "a passage's id is {id:?}; expected 1 to {MAX_ID_CHARS} characters without brackets, line breaks or \
                     spaces around"
                )));
            }
            if !seen.insert(id) {
                return Err(bad(format!(
                    "the passage `{id}` is given twice; a source could not say which one it means"
                )));
            }
        }
        Ok(())
    }

    /// What the model reads.
    pub(crate) fn text(&self) -> String {
        self.text_without(&[])
    }

    /// The same without some parts.
    pub(crate) fn text_without(&self, left_out: &[Part]) -> String {
        let mut read = String::new();
        for (index, passage) in self.passages.iter().enumerate() {
            read.push_str(&format!("[{}] {}\n", passage.id, without(&passage.text, Some(index), left_out)));
        }
        if !self.passages.is_empty() && !self.text.is_empty() {
            read.push('\n');
        }
        let own = if self.passages.is_empty() { left_out } else { &[] };
        read.push_str(&without(&self.text, None, own));
        read
    }

    /// Its sentences; of the text itself where there are no passages.
    pub(crate) fn sentences(&self) -> Vec<Part> {
        let parts = |passage: Option<usize>, text: &str| {
            sentences(text, &Lexicon::built_in()).into_iter().map(move |range| Part { passage, range })
        };
        match self.passages.is_empty() {
            true => parts(None, &self.text).collect(),
            false => {
                let each = self.passages.iter().enumerate();
                each.flat_map(|(index, passage)| parts(Some(index), &passage.text).collect::<Vec<_>>()).collect()
            }
        }
    }

    /// Its passages as parts; the text itself where there are none.
    pub(crate) fn each(&self) -> Vec<Part> {
        match self.passages.is_empty() {
            true => vec![Part { passage: None, range: 0..self.text.len() }],
            false => (0..self.passages.len()).filter_map(|index| self.whole(index)).collect(),
        }
    }

    /// The passage at `index`.
    pub(crate) fn whole(&self, index: usize) -> Option<Part> {
        Some(Part { passage: Some(index), range: 0..self.passages.get(index)?.text.len() })
    }

    /// What a source says of a part.
    pub(crate) fn cite(&self, part: &Part) -> Cited<'_> {
        let (passage, text) = match part.passage.and_then(|index| self.passages.get(index)) {
            Some(passage) => (Some(passage.id.as_str()), passage.text.as_str()),
            None => (None, self.text.as_str()),
        };
        let start = text[..part.range.start].chars().count();
        let cited = &text[part.range.clone()];
        Cited { passage, start, end: start + cited.chars().count(), text: cited }
    }

    /// The names of its passages.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.passages.iter().map(|passage| passage.id.as_str())
    }

    /// All texts that a quotation may come from.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.passages.iter().map(|passage| passage.text.as_str()).chain([self.text.as_str()])
    }
}

fn without(text: &str, passage: Option<usize>, left_out: &[Part]) -> String {
    let mut kept = String::new();
    let mut at = 0;
    for part in left_out.iter().filter(|part| part.passage == passage) {
        kept.push_str(&text[at..part.range.start.max(at)]);
        at = part.range.end.max(at);
    }
    kept.push_str(&text[at..]);
    kept
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDBOOK: &str = r#"{"text":"试用期多长？","passages":[
        {"id":"第12条","text":"试用期为三个月。表现优秀者可缩短。"},{"id":"第13条","text":"年假十天。"}]}"#;

    #[test]
    fn the_model_reads_passages_under_their_names_and_then_the_text() {
        let case = Passages::parse(HANDBOOK, &[]).unwrap();
        assert_eq!(case.text(), "[第12条] 试用期为三个月。表现优秀者可缩短。\n[第13条] 年假十天。\n\n试用期多长？");
        let parts = case.sentences();
        assert_eq!(parts.len(), 3);
        assert_eq!(case.text_without(&parts[1..2]), "[第12条] 试用期为三个月。\n[第13条] 年假十天。\n\n试用期多长？");
        assert_eq!(
            case.cite(&parts[1]),
            Cited { passage: Some("第12条"), start: 8, end: 17, text: "表现优秀者可缩短。" }
        );
        let beside: Vec<Passage> = case.passages.clone();
        assert_eq!(Passages::parse("试用期多长？", &beside).unwrap(), case);
    }

    #[test]
    fn text_alone_stands_for_itself() {
        let case = Passages::parse("  He left for pay. His manager knew. ", &[]).unwrap();
        let parts = case.sentences();
        assert_eq!(case.cite(&parts[1]), Cited { passage: None, start: 17, end: 34, text: "His manager knew." });
        assert_eq!(case.text_without(&parts[..1]), " His manager knew.");
        // A list of passages is no case of fields, and fields are no passages.
        assert!(
            Passages::is_json(HANDBOOK) && !Passages::is_json(r#"{"passages":"3"}"#) && !Passages::is_json("passages")
        );
    }

    #[test]
    fn what_is_no_case_is_refused() {
        let passage = |id: &str| Passage { id: id.to_owned(), text: "x".to_owned() };
        let refused = |input: &str, beside: &[Passage]| {
            let err = Passages::parse(input, beside).unwrap_err();
            assert_eq!(err.code(), Code::InvalidArgument);
            err.message().to_owned()
        };
        assert!(refused("  ", &[]).contains("empty"));
        assert!(refused(HANDBOOK, &[passage("a")]).contains("one of them"));
        assert!(refused("q", &[passage("a"), passage("a")]).contains("twice"));
        for id in ["", " a", "a]b", "a\nb", &"a".repeat(65)] {
            assert!(refused("q", &[passage(id)]).contains("id"), "{id:?}");
        }
        assert!(refused(r#"{"passages":[{"id":"a"}]}"#, &[]).contains("text"));
        assert!(refused(r#"{"passages":[],"question":"x"}"#, &[]).contains("question"));
        let many: Vec<Passage> = (0..300).map(|index| passage(&index.to_string())).collect();
        assert!(refused("q", &many).contains("300"));
    }
}
