//! What is doubtful in a file that can be used: rows that contradict or repeat each other, signs of damage, text that was never
//! written, scores and names that a model would make up, labels that mean two things, personal data.

mod distribution;
mod labels;
mod names;
mod near;
mod scores;
mod template;
mod words;

pub(super) use distribution::Distribution;

use super::encoding::Text;
use super::file::CHUNK;
use super::findings::{Finding, Findings, Kind};
use super::fold;
use super::records::Table;
use super::{damage, personal};
use crate::control::Monitor;
use crate::error::Result;

/// Looks through all rows, once each.
pub(super) fn examine(table: &Table, text: &Text<'_>, monitor: &Monitor) -> Result<(Findings, Distribution)> {
    let mut findings = Findings::default();
    if text.guessed {
        let message = format!("not UTF-8, read as {}", text.encoding.to_uppercase());
        findings.push(Finding::new(Kind::Encoding, 0, 1, "", message));
    }
    findings.extend(&table.findings);
    let mut answers = near::Answers::default();
    let mut looked_at = 0;
    for row in &table.rows {
        looked_at += row.input.len() + row.output.len();
        if looked_at >= CHUNK {
            monitor.check()?;
            looked_at = 0;
        }
        let [input, output] = [&row.input, &row.output].map(|field| fold::fold(field));
        let fields = [(&table.input_column, &row.input, &input), (&table.output_column, &row.output, &output)];
        for (column, field, folded) in fields {
            for (kind, message) in damage::found_in(field).into_iter().chain(personal::found_in(field)) {
                findings.push(Finding::new(kind, row.number, row.line, column, message));
            }
            if template::is_unwritten(field, folded) {
                let message = "has text of a template that was never filled in, or a note such as TODO";
                findings.push(Finding::new(Kind::TemplateText, row.number, row.line, column, message));
            }
        }
        for (kind, message) in of_output(&row.output, [&input, &output]) {
            findings.push(Finding::new(kind, row.number, row.line, &table.output_column, message));
        }
        answers
            .add(row, [&input, &output], &table.output_column)
            .into_iter()
            .for_each(|finding| findings.push(finding));
    }
    monitor.check()?;
    labels::opposite(&table.rows, &table.input_column).into_iter().for_each(|finding| findings.push(finding));
    let (distribution, doubtful) = distribution::examine(&table.rows, &table.output_column);
    doubtful.into_iter().for_each(|finding| findings.push(finding));
    findings.sort();
    Ok((findings, distribution))
}

/// What is doubtful in what a row has a model answer. `folded` are its input and output.
fn of_output(written: &str, folded: [&str; 2]) -> Vec<(Kind, &'static str)> {
    let [input, output] = folded;
    // What it has of names and scores, the input has.
    if template::repeats(input, output) {
        return vec![(Kind::OutputIsInput, "repeats the input")];
    }
    let found = [
        (template::is_nothing(output), Kind::TemplateText, "is a word that stands for nothing"),
        (scores::invented(input, output), Kind::UngroundedScore, "has a score that the input lacks"),
        (names::in_output(folded, written), Kind::PersonName, "names a person"),
    ];
    found.into_iter().filter(|(is, ..)| *is).map(|(_, kind, message)| (kind, message)).collect()
}
