//! A company's CSV as training examples.
//!
//! The file is read strictly (RFC 4180, one encoding): a file that cannot be trusted is an error that says where, and
//! what is merely doubtful is a finding in [`Dataset::info`].
//!
//! A place in the file has two numbers, and every error and finding has both: `row` counts the records after the
//! header from 1 (blank lines are not records), `line` is the line of the file where the record begins, as a text
//! editor counts; the header is on line 1, or on 2 after a line `sep=;`. They differ once a field contains line breaks.

mod blanks;
mod cells;
mod damage;
mod doctor;
mod encoding;
mod examples;
mod file;
mod findings;
mod fold;
mod header;
mod ids;
mod invisible;
mod kinds;
mod legacy;
mod mojibake;
mod options;
mod personal;
mod problems;
mod reading;
mod records;
mod repair;
mod scan;
mod separator;
mod strata;
mod truncate;
mod utf16;

pub(crate) use cells::{CellRow, Cells, Lines};
pub(crate) use examples::Examples;
pub(crate) use ids::clean_id;
pub(crate) use invisible::{is_invisible, visible};
pub use options::{DatasetOptions, EmptyRows, Encoding, LongRows};
pub(crate) use strata::Strata;

use crate::control::Monitor;
use crate::error::Result;
use crate::options::Options;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One record of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the record, from 1, without the header.
    pub number: usize,
    /// Line of the file where the record begins, from 1.
    pub line: usize,
    /// Whose row it is, where there is an `id_column`.
    pub id: Option<String>,
    /// What the model is given.
    pub input: String,
    /// What it is to answer.
    pub output: String,
    /// What the column `group_by` says, if there is one.
    pub group: Option<String>,
    /// Whether the `split_column` has it for validation, if there is one.
    pub held_out: Option<bool>,
}

/// A CSV that was read and found usable. Immutable.
#[derive(Debug)]
pub struct Dataset {
    path: PathBuf,
    options: DatasetOptions,
    rows: Vec<Row>,
    columns: Vec<String>,
    encoding: &'static str,
    delimiter: char,
    bytes: usize,
    sha256: String,
    findings: findings::Findings,
    excluded: ids::Excluded,
    distribution: doctor::Distribution,
    repairs: Option<repair::Repairs>,
}

impl Dataset {
    /// Reads a CSV with a header.
    ///
    /// # Errors
    /// `Code::Io` if there is no such file; `Code::InvalidOptions`; `Code::CsvFormat` with `row`, `line` and `column` of
    /// the first problem and up to 20 in `problems`; `Code::Cancelled` (looked for every 64 KiB).
    pub fn open_csv(path: &Path, options: &DatasetOptions, monitor: &mut Monitor) -> Result<Dataset> {
        options.validate()?;
        Dataset::read(path, file::read(path, monitor)?, options, monitor)
    }

    /// Reads bytes as if they were a CSV at `path`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_bytes(path: &Path, bytes: Vec<u8>, options: &DatasetOptions) -> Result<Dataset> {
        options.validate()?;
        Dataset::read(path, file::File { sha256: String::new(), bytes }, options, &mut Monitor::none())
    }

    fn read(path: &Path, file: file::File, options: &DatasetOptions, monitor: &mut Monitor) -> Result<Dataset> {
        let located = |err| file::located(err, path);
        let delimiter = separator::of_option(&options.delimiter)?;
        let text = encoding::decode(&file.bytes, options.encoding, delimiter).map_err(located)?;
        let table = records::parse(&text, options, monitor).map_err(located)?;
        let (findings, distribution) = doctor::examine(&table, &text, monitor)?;
        let copy = options.repaired_copy.as_deref();
        let repairs = copy.map(|copy| repair::write((path, copy), &text, &table, delimiter, monitor)).transpose()?;
        Ok(Dataset {
            path: path.to_owned(),
            options: options.clone(),
            rows: table.rows,
            columns: table.columns,
            encoding: text.encoding,
            delimiter: char::from(table.delimiter),
            bytes: file.bytes.len(),
            sha256: file.sha256,
            findings,
            excluded: table.excluded,
            distribution,
            repairs,
        })
    }

    /// The records, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The output of a record, by its number in the file; empty if it was left out.
    pub(crate) fn output(&self, number: usize) -> &str {
        self.row(number).map_or("", |row| &row.output)
    }

    /// The record with that number in the file, if it was not left out.
    pub(crate) fn row(&self, number: usize) -> Option<&Row> {
        self.rows.binary_search_by_key(&number, |row| row.number).ok().and_then(|at| self.rows.get(at))
    }

    /// Whose row a record is, by its number in the file, if the dataset says it.
    pub(crate) fn id(&self, number: usize) -> Option<&str> {
        let at = self.rows.binary_search_by_key(&number, |row| row.number).ok()?;
        self.rows[at].id.as_deref()
    }

    /// The role prompt that goes before every input.
    pub fn system(&self) -> Option<&str> {
        self.options.system.as_deref().filter(|text| !text.is_empty())
    }

    /// That, or the variant whose turn a row is. Rows one after another take all of them, from one on that Knuth's
    /// multiplicative hash decides, so that no pattern of the file keeps step with them.
    pub(crate) fn system_of(&self, row: &Row) -> Option<&str> {
        let count = 1 + self.options.system_variants.len();
        let (round, place) = (row.number / count, row.number % count);
        let first = (round as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        match (first as usize + place) % count {
            0 => self.system(),
            at => Some(self.options.system_variants[at - 1].as_str()).filter(|text| !text.is_empty()),
        }
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the file is and what is doubtful in it: `path`, `bytes`, `sha256`, `encoding`, `delimiter`, `rows`, `columns`,
    /// `input_column`, `output_column`, `system`, `system_variants`, `id_column`, `excluded_rows` and
    /// `excluded_ids_not_found` (ids to be excluded that no row has), `groups` (rows of each group, null without `group_by`),
    /// `distribution` (of lengths, and of outputs that are labels), `finding_counts` (by kind), `findings` (the first of each
    /// kind: `kind`, `severity`, `row`, `line`, `rows`, `column`, `message`, `remedy`) and `repairs` (of the `repaired_copy`,
    /// null without).
    pub fn info(&self) -> Value {
        json!({
            "path": self.path.display().to_string(),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "rows": self.rows.len(),
            "columns": self.columns,
            "input_column": self.options.input_column,
            "output_column": self.options.output_column,
            "id_column": self.options.id_column,
            "excluded_rows": self.excluded.rows(),
            "excluded_ids_not_found": self.excluded.not_found(),
            "system": self.system(),
            "system_variants": self.options.system_variants,
            "groups": self.groups(),
            "distribution": self.distribution,
            "finding_counts": self.findings.counts(),
            "findings": self.findings.list(),
            "repairs": self.repairs,
        })
    }
}

#[cfg(test)]
mod long_row_tests;
#[cfg(test)]
mod real_file_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
