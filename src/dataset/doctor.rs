//! What is doubtful in a file that can be used: repeated and contradictory rows, signs of damage, personal data.

use super::encoding::Text;
use super::file::CHUNK;
use super::findings::{Finding, Findings, Kind};
use super::records::Table;
use super::{Row, damage, personal};
use crate::control::Monitor;
use crate::error::Result;
use std::collections::HashMap;

/// Looks through all rows.
pub(super) fn examine(table: &Table, text: &Text<'_>, monitor: &Monitor) -> Result<Findings> {
    let mut findings = Findings::default();
    if text.guessed {
        let name = text.encoding.to_uppercase();
        let message = format!("not UTF-8, read as {name}; look at a few rows, and save as UTF-8 if they are garbled");
        findings.push(Finding::new(Kind::Encoding, 0, 1, "", message));
    }
    findings.extend(&table.findings);
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
    findings.sort();
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
