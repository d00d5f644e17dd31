//! How outputs are distributed: over labels, where they are labels, and over lengths.

use crate::dataset::Row;
use crate::dataset::findings::{Finding, Kind};
use serde::Serialize;
use std::collections::HashMap;

/// Characters of the longest label.
const LONGEST_LABEL: usize = 24;
/// Labels that are listed.
const LISTED: usize = 50;
/// Fewer rows have no distribution to speak of.
const FEW: usize = 20;
/// Share of the rows from which a label is too common.
const DOMINANT: f64 = 0.9;
/// How many times shorter or longer than half of the outputs one must be to stand out, at the least.
const FAR: f64 = 8.0;

/// Lengths in characters.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::dataset) struct Lengths {
    min: usize,
    median: usize,
    p95: usize,
    max: usize,
}

/// What the rows have.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::dataset) struct Distribution {
    input_characters: Lengths,
    output_characters: Lengths,
    /// How often each output is there, where outputs are labels; the commonest first.
    labels: Vec<Label>,
}

#[derive(Debug, Clone, Serialize)]
struct Label {
    label: String,
    rows: usize,
}

/// The distribution of the rows, and what is doubtful in it. `column` is that of the outputs.
pub(super) fn examine(rows: &[Row], column: &str) -> (Distribution, Vec<Finding>) {
    let [inputs, outputs] =
        [|row: &Row| row.input.trim().chars().count(), |row: &Row| row.output.trim().chars().count()]
            .map(|length| rows.iter().map(length).collect::<Vec<usize>>());
    let labels = labels(rows);
    let mut findings = Vec::new();
    findings.extend(dominant(&labels, rows, column));
    if labels.is_empty() {
        findings.extend(far_off(&outputs, rows, column));
    }
    let distribution = Distribution {
        input_characters: Lengths::of(inputs),
        output_characters: Lengths::of(outputs),
        labels: labels.into_iter().take(LISTED).collect(),
    };
    (distribution, findings)
}

impl Lengths {
    fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let at = |share: usize| lengths.get((lengths.len().saturating_sub(1)) * share / 100).copied().unwrap_or(0);
        Lengths { min: at(0), median: at(50), p95: at(95), max: at(100) }
    }
}

/// The outputs as labels, if they are few and short.
fn labels(rows: &[Row]) -> Vec<Label> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let output = row.output.trim();
        if output.chars().nth(LONGEST_LABEL).is_some() {
            return Vec::new();
        }
        *counts.entry(output).or_default() += 1;
    }
    if rows.len() < FEW || counts.len() > (rows.len() / 4).max(2) {
        return Vec::new();
    }
    let mut labels: Vec<Label> =
        counts.into_iter().map(|(label, rows)| Label { label: label.to_owned(), rows }).collect();
    labels.sort_by(|a, b| b.rows.cmp(&a.rows).then(a.label.cmp(&b.label)));
    labels
}

fn dominant(labels: &[Label], rows: &[Row], column: &str) -> Option<Finding> {
    let first = labels.first()?;
    let share = first.rows as f64 / rows.len() as f64;
    let row = rows.first().filter(|_| share >= DOMINANT)?;
    let message = format!("{} of {} outputs are the same label", first.rows, rows.len());
    Some(Finding::new(Kind::LabelImbalance, row.number, row.line, column, message))
}

/// Outputs whose length is far from that of the others, on a scale of factors.
fn far_off(lengths: &[usize], rows: &[Row], column: &str) -> Vec<Finding> {
    if rows.len() < FEW {
        return Vec::new();
    }
    let logs: Vec<f64> = lengths.iter().map(|length| (*length as f64).max(1.0).ln()).collect();
    let median = median(logs.clone());
    let spread = self::median(logs.iter().map(|log| (log - median).abs()).collect());
    let limit = FAR.ln().max(6.0 * spread);
    let found = rows.iter().zip(&logs).zip(lengths).filter(|((_, log), _)| (**log - median).abs() > limit);
    let finding = |((row, log), length): ((&Row, &f64), &usize)| {
        let how = if *log < median { "short" } else { "long" };
        let message = format!(
            "the output has {length} characters, far too {how} beside the others (half of them have {:.0} or more)",
            median.exp()
        );
        Finding::new(Kind::LengthOutlier, row.number, row.line, column, message)
    };
    found.map(finding).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
