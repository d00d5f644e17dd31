//! What is doubtful in a file that can be used: repeated and contradictory rows, personal data, signs of damage.
//!
//! Findings never hold the data they are about, so that they can be logged.

use super::encoding::Text;
use super::file::CHUNK;
use super::records::Table;
use crate::control::Monitor;
use crate::error::Result;
use fancy_regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;

/// So many findings of each kind are listed; all are counted.
const LISTED: usize = 20;
/// Characters of a field from which it is called very long.
const VERY_LONG: usize = 8000;

/// The kinds of finding, by their names in the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The file is GB18030, which was concluded from its bytes.
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
    counts: std::collections::BTreeMap<Kind, usize>,
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
    if text.encoding == "gb18030" {
        let message = "not UTF-8, read as GB18030; look at a few rows, and save as UTF-8 if they are garbled";
        findings.push(Finding::new(Kind::Encoding, 0, 1, "", message));
    }
    for finding in table.findings.listed.iter().cloned() {
        findings.push(finding);
    }
    for (&kind, &count) in &table.findings.counts {
        findings.counts.insert(kind, count);
    }
    let mut answers: HashMap<&str, Vec<(&str, usize)>> = HashMap::new();
    let mut looked_at = 0;
    for row in &table.rows {
        looked_at += row.input.len() + row.output.len();
        if looked_at >= CHUNK {
            monitor.check()?;
            looked_at = 0;
        }
        for (column, field) in [(&table.input_column, &row.input), (&table.output_column, &row.output)] {
            for (kind, message) in look(field) {
                findings.push(Finding::new(kind, row.number, row.line, column, message));
            }
        }
        match answers.entry(row.input.trim()) {
            Entry::Vacant(entry) => {
                entry.insert(vec![(row.output.trim(), row.number)]);
            }
            Entry::Occupied(mut entry) => {
                let output = row.output.trim();
                let (kind, message) = match entry.get().iter().find(|(known, _)| *known == output) {
                    Some((_, first)) => (Kind::DuplicateRow, format!("the same input and output as row {first}")),
                    None => {
                        let first = entry.get().first().map_or(0, |&(_, number)| number);
                        entry.get_mut().push((output, row.number));
                        (Kind::ConflictingOutput, format!("the same input as row {first}, but another output"))
                    }
                };
                findings.push(Finding::new(kind, row.number, row.line, &table.output_column, message));
            }
        }
    }
    findings.listed.sort_by_key(|finding| (finding.kind, finding.row));
    Ok(findings)
}

/// What is doubtful in one field.
fn look(field: &str) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    if field.len() > VERY_LONG {
        let characters = field.chars().count();
        if characters > VERY_LONG {
            found.push((Kind::VeryLong, format!("the field has {characters} characters")));
        }
    }
    if field.contains(char::REPLACEMENT_CHARACTER) {
        let message = "contains U+FFFD: characters were lost before this file was written";
        found.push((Kind::ReplacementCharacter, message.to_owned()));
    }
    let personal =
        |kind, what: &str| (kind, format!("contains {what}; remove or replace personal data before training"));
    if has_id_number(field) {
        found.push(personal(Kind::IdNumber, "an identity number"));
    }
    if matches(&PHONE, field) {
        found.push(personal(Kind::PhoneNumber, "a phone number"));
    }
    if field.contains('@') && matches(&EMAIL, field) {
        found.push(personal(Kind::Email, "an e-mail address"));
    }
    found
}

type Pattern = LazyLock<Option<Regex>>;

static PHONE: Pattern =
    LazyLock::new(|| Regex::new(r"(?<![0-9])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9])").ok());
static EMAIL: Pattern =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}").ok());

fn matches(pattern: &Pattern, field: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(field).unwrap_or(false))
}

/// Looks for 18 characters of GB 11643: a date of birth in the middle, and a right check digit at the end.
fn has_id_number(field: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = field.as_bytes();
    bytes.windows(18).enumerate().any(|(at, window)| {
        let (digits, check) = window.split_at(17);
        if !digits.iter().all(u8::is_ascii_digit) || is_alphanumeric(bytes.get(at + 18)) {
            return false;
        }
        if at > 0 && is_alphanumeric(bytes.get(at - 1)) {
            return false;
        }
        let number = |range: std::ops::Range<usize>| digits[range].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        let sum: u32 = digits.iter().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
        let expected = b"10X98765432"[(sum % 11) as usize];
        (1800..2100).contains(&number(6..10))
            && (1..=12).contains(&number(10..12))
            && (1..=31).contains(&number(12..14))
            && check[0].to_ascii_uppercase() == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_regular_expressions() {
        assert!(PHONE.is_some() && EMAIL.is_some());
    }

    #[test]
    fn personal_data_is_found_and_look_alikes_are_not() {
        for (field, kinds) in [
            ("电话13812345678。", &[Kind::PhoneNumber][..]),
            ("+86 138-1234-5678", &[Kind::PhoneNumber]),
            ("138 1234 5678", &[Kind::PhoneNumber]),
            ("订单号213812345678", &[]),
            ("12345678901", &[]),
            ("身份证11010519491231002X", &[Kind::IdNumber]),
            ("11010519491231002x", &[Kind::IdNumber]),
            ("110105194912310021", &[]),
            ("11010519491331002X", &[]),
            ("mail: Zhang.San+hr@example.com.cn!", &[Kind::Email]),
            ("a@b, 50 @ 3", &[]),
            ("工号10023；评分A", &[]),
            ("坏\u{fffd}字", &[Kind::ReplacementCharacter]),
        ] {
            let found: Vec<Kind> = look(field).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(found, kinds, "{field}");
        }
        assert_eq!(look(&"长".repeat(VERY_LONG + 1))[0].0, Kind::VeryLong);
        assert!(look(&"长".repeat(VERY_LONG)).is_empty());
    }
}
