//! Rows that say the same, whatever their spacing, their punctuation and the order of their fields; and rows that ask the
//! same and answer otherwise.

use crate::dataset::Row;
use crate::dataset::findings::{Finding, Kind};
use crate::dataset::fold::key_of;
use std::collections::HashMap;

/// The rows seen so far, by what they ask and answer. One look-up for each row.
#[derive(Default)]
pub(super) struct Answers<'a> {
    first_with_input: HashMap<[u8; 16], &'a Row>,
    first_with_both: HashMap<([u8; 16], [u8; 16]), &'a Row>,
    /// The first row of an input on the other side of the split.
    across: HashMap<([u8; 16], bool), &'a Row>,
}

impl<'a> Answers<'a> {
    /// What a row has in common with an earlier one. `folded` are its input and output, `column` is that of the outputs.
    pub fn add(&mut self, row: &'a Row, folded: [&str; 2], column: &str) -> Vec<Finding> {
        let [input, output] = folded.map(key_of);
        let same = *self.first_with_both.entry((input, output)).or_insert(row);
        let first = *self.first_with_input.entry(input).or_insert(row);
        let as_written = |other: &Row| row.input.trim() == other.input.trim();
        let found = |kind, other: &Row, message: String| {
            Finding::new(kind, row.number, row.line, column, message).with_rows([other.number, row.number])
        };
        let mut findings = Vec::new();
        if same.number != row.number {
            let n = same.number;
            findings.push(match as_written(same) && row.output.trim() == same.output.trim() {
                true => found(Kind::DuplicateRow, same, format!("the same input and output as row {n}")),
                false => {
                    let message = format!("says the same as row {n}, in other spacing, punctuation, case or order");
                    found(Kind::NearDuplicate, same, message)
                }
            });
        } else if first.number != row.number {
            let n = first.number;
            findings.push(match as_written(first) {
                true => found(Kind::ConflictingOutput, first, format!("the same input as row {n}, but another output")),
                false => {
                    let message = format!(
                        "asks the same as row {n}, in other spacing, punctuation, case or order, but has another output"
                    );
                    found(Kind::NearConflict, first, message)
                }
            });
        }
        if let Some(held_out) = row.held_out {
            self.across.entry((input, held_out)).or_insert(row);
            if let Some(other) = self.across.get(&(input, !held_out)) {
                let message = format!("asks the same as row {} on the other side of the split", other.number);
                findings.push(found(Kind::Leak, other, message));
            }
        }
        findings
    }
}
