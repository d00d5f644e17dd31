//! What is doubtful in a file that can be used: repeated and contradictory rows, signs of damage, personal data.
//!
//! Findings never hold the data they are about, so that they can be logged.

use super::encoding::Text;
use super::file::CHUNK;
use super::records::Table;
use super::{Row, damage, personal};
use crate::control::Monitor;
use crate::error::Result;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

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
}

/// Looks through all rows.
pub(super) fn examine(table: &Table, text: &Text<'_>, monitor: &Monitor) -> Result<Findings> {
    let mut findings = Findings::default();
    if text.guessed {
        let name = text.encoding.to_uppercase();
        let message = format!("not UTF-8, read as {name}; look at a few rows, and save as UTF-8 if they are garbled");
        findings.push(Finding::new(Kind::Encoding, 0, 1, "", message));
    }
    findings.listed.extend(table.findings.listed.iter().cloned());
    for (&kind, &count) in &table.findings.counts {
        *findings.counts.entry(kind).or_default() += count;
    }
    let mut answers = Answers::default();
    let mut looked_at = 0;
    for row in &table.rows {
        looked_at += row.input.len() + row.output.len();
        if looked_at >= CHUNK {
            monitor.check()?;
            looked_at = 0;
        }
        for (column, field) in [(&table.input_column, &row.input), (&table.output_column, &row.output)] {
            for (kind, message) in damage::found_in(field).into_iter().chain(personal::found_in(field)) {
                findings.push(Finding::new(kind, row.number, row.line, column, message));
            }
        }
        if let Some((kind, message)) = answers.add(row) {
            findings.push(Finding::new(kind, row.number, row.line, &table.output_column, message));
        }
    }
    findings.listed.sort_by_key(|finding| (finding.kind, finding.row));
    Ok(findings)
}

/// The rows seen so far, by what they ask and answer.
#[derive(Default)]
struct Answers<'a> {
    first_with_input: HashMap<&'a str, usize>,
    first_with_both: HashMap<(&'a str, &'a str), usize>,
}

impl<'a> Answers<'a> {
    /// What a row has in common with an earlier one.
    fn add(&mut self, row: &'a Row) -> Option<(Kind, String)> {
        let (input, output) = (row.input.trim(), row.output.trim());
        let same = *self.first_with_both.entry((input, output)).or_insert(row.number);
        let first = *self.first_with_input.entry(input).or_insert(row.number);
        if same != row.number {
            Some((Kind::DuplicateRow, format!("the same input and output as row {same}")))
        } else if first != row.number {
            Some((Kind::ConflictingOutput, format!("the same input as row {first}, but another output")))
        } else {
            None
        }
    }
}
