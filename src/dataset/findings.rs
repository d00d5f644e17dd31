//! Doubtful places of a file. They never hold the texts they are about, so that they can be logged.

pub(super) use super::kinds::Kind;

use super::kinds::Severity;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// So many findings of each kind are listed; all are counted.
const LISTED: usize = 20;
/// So many rows of a finding are listed.
const LISTED_ROWS: usize = 20;

/// One doubtful place.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    kind: Kind,
    severity: Severity,
    row: usize,
    line: usize,
    /// All rows that it is about.
    rows: Vec<usize>,
    column: String,
    message: String,
    remedy: &'static str,
}

impl Finding {
    pub fn new(kind: Kind, row: usize, line: usize, column: &str, message: impl Into<String>) -> Self {
        Finding {
            kind,
            severity: kind.severity(),
            row,
            line,
            rows: Vec::from_iter((row > 0).then_some(row)),
            column: column.to_owned(),
            message: message.into(),
            remedy: kind.remedy(),
        }
    }

    /// About more rows than one.
    pub fn with_rows(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.rows = rows.into_iter().collect();
        self.rows.sort_unstable();
        self.rows.dedup();
        self.rows.truncate(LISTED_ROWS);
        self
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
