//! Doubtful places of a file. They never hold the data they are about, so that they can be logged.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// So many findings of each kind are listed; all are counted.
const LISTED: usize = 20;
/// The kinds of finding, by their names in the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The file's encoding was concluded from its bytes.
    Encoding,
    /// A column name is there twice (not one of ours).
    DuplicateHeader,
    /// A row without input or output was left out.
    Empty,
    /// The same input and output as an earlier row.
    DuplicateRow,
    /// The same input as an earlier row, another output.
    ConflictingOutput,
    /// A field of more than 8,000 characters.
    VeryLong,
    /// U+FFFD: text was lost before this file was written.
    ReplacementCharacter,
    /// `????`: text was lost before this file was written.
    QuestionMarks,
    /// `锟斤拷`, `Ã¤`, `浣犲ソ`: text that was read in the wrong encoding before this file was written.
    Mojibake,
    /// Characters of the private use areas: rare but for text in the wrong encoding.
    PrivateUse,
    /// Control characters other than tabs and line ends.
    ControlCharacter,
    /// Zero-width characters, byte order marks, bidi controls, soft hyphens.
    InvisibleCharacter,
    /// `#NAME?`, `#REF!`: a formula that failed in a spreadsheet.
    SpreadsheetError,
    /// `1.10105E+17`: a long number that a spreadsheet shortened.
    ScientificNumber,
    /// `_x000D_`, `&nbsp;`, `\u4f60`: a character as some program's escape.
    Escape,
    /// A Chinese mobile number.
    PhoneNumber,
    /// A Chinese resident identity number whose check digit is right.
    IdNumber,
    /// An e-mail address.
    Email,
}

/// One doubtful place.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    kind: Kind,
    row: usize,
    line: usize,
    column: String,
    message: String,
}

impl Finding {
    pub fn new(kind: Kind, row: usize, line: usize, column: &str, message: impl Into<String>) -> Self {
        Finding { kind, row, line, column: column.to_owned(), message: message.into() }
    }
}

/// The findings of a file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    counts: BTreeMap<Kind, usize>,
}

impl Findings {
    pub fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.kind).or_default();
        *count += 1;
        if *count <= LISTED {
            self.listed.push(finding);
        }
    }

    /// The listed findings, by kind and row.
    pub fn list(&self) -> &[Finding] {
        &self.listed
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> Value {
        let count = |(kind, &count): (&Kind, &usize)| {
            let name = serde_json::to_value(kind).ok()?.as_str()?.to_owned();
            Some((name, Value::from(count)))
        };
        Value::Object(self.counts.iter().filter_map(count).collect::<Map<_, _>>())
    }

    /// Adds those of another, listed and counted.
    pub fn extend(&mut self, other: &Findings) {
        self.listed.extend(other.listed.iter().cloned());
        for (&kind, &count) in &other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    /// Puts them in order: by kind and row.
    pub fn sort(&mut self) {
        self.listed.sort_by_key(|finding| (finding.kind, finding.row));
    }
}
