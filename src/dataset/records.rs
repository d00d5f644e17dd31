//! Records to rows: the header, the two columns, and all that may be wrong with them.

use super::Row;
use super::encoding::Text;
use super::file::CHUNK;
use super::findings::{Finding, Findings, Kind};
use super::header::{self, Header};
use super::ids::{Excluded, clean_id};
use super::options::{DatasetOptions, EmptyRows};
use super::problems::{Problem, Problems};
use super::reading::{LARGEST_FIELD, Source};
use super::scan::Place;
use super::separator;
use super::strata::Further;
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use csv::StringRecord;
use std::time::Instant;

/// The rows of a file and what was found while reading them.
#[derive(Debug)]
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub columns: Vec<String>,
    pub input_column: String,
    pub output_column: String,
    pub id_column: Option<String>,
    pub delimiter: u8,
    pub findings: Findings,
    /// Of the rows that were asked to be left out.
    pub excluded: Excluded,
    further: Further,
}

/// The indexes of the columns that rows are made of.
#[derive(Clone, Copy)]
struct Columns {
    input: usize,
    output: usize,
    id: Option<usize>,
}

/// Reads all records. Problems are collected: the error tells all of them.
/// Progress is that of the text, in bytes.
pub(super) fn parse(text: &Text<'_>, options: &DatasetOptions, monitor: &mut Monitor) -> Result<Table> {
    let begun = Instant::now();
    let source = Source::new(text, separator::of_option(&options.delimiter)?, monitor)?;
    let mut records = source.records()?;
    let mut table = Table {
        rows: Vec::new(),
        input_column: header::clean(&options.input_column),
        output_column: header::clean(&options.output_column),
        id_column: options.id_column.as_deref().map(header::clean),
        delimiter: records.delimiter,
        columns: std::mem::take(&mut records.columns),
        findings: Findings::default(),
        excluded: Excluded::new(&options.exclude_ids),
        further: Further::default(),
    };
    let header = Header { columns: &table.columns, delimiter: table.delimiter, line: records.header_line };
    let (input, output) = header.positions(&table.input_column, &table.output_column)?;
    let id = header.further(table.id_column.as_deref())?;
    let columns = Columns { input, output, id };
    table.further = Further::of(&header, options)?;
    header.note(&mut table.findings);
    let mut problems = Problems::default();
    let total = source.content().len() as u64;
    let (mut record, mut number, mut told) = (StringRecord::new(), 0, 0);
    while options.max_rows.is_none_or(|limit| number < limit) {
        let Some(place) = records.next(&mut record, monitor)? else { break };
        number = place.row;
        table.add(&record, place, columns, options.empty_rows, &mut problems);
        let at = records.position();
        if at - told >= CHUNK as u64 {
            told = at;
            monitor.report(&Progress::new(Phase::Prepare, at, total, begun.elapsed()));
            monitor.check()?;
        }
    }
    monitor.report(&Progress::new(Phase::Prepare, total, total, begun.elapsed()));
    monitor.check()?;
    problems.check()?;
    if table.rows.is_empty() {
        let message = match (number, table.excluded.rows(), &options.group) {
            (0, ..) => "the file has a header but no rows".to_owned(),
            (_, 1.., _) => {
                "no row with an input and an output is left without those that `exclude_ids` leaves out".to_owned()
            }
            (_, _, Some(group)) => format!("no row with an input and an output is of the group `{group}`"),
            (_, _, None) => "no row has both an input and an output".to_owned(),
        };
        return Err(Error::new(Code::CsvFormat, message));
    }
    Ok(table)
}

impl Table {
    fn add(
        &mut self,
        record: &StringRecord,
        place: Place,
        columns: Columns,
        empty: EmptyRows,
        problems: &mut Problems,
    ) {
        let problem = |column: Option<&str>, message: String| Problem {
            row: place.row,
            line: place.line,
            column: column.map(str::to_owned),
            message,
        };
        let (Some(input), Some(output)) = (record.get(columns.input), record.get(columns.output)) else {
            return problems.push(problem(None, ragged(record.len(), self.columns.len())));
        };
        if record.len() != self.columns.len() {
            return problems.push(problem(None, ragged(record.len(), self.columns.len())));
        }
        let id = columns.id.and_then(|index| record.get(index)).map(clean_id);
        if id.as_deref() == Some("") {
            let message = "is empty; fill it, since nobody could say whose row it is".to_owned();
            return problems.push(problem(self.id_column.as_deref(), message));
        }
        if id.as_deref().is_some_and(|id| self.excluded.takes(id)) {
            return;
        }
        for (name, text) in [(&self.input_column, input), (&self.output_column, output)] {
            if text.len() > LARGEST_FIELD {
                let message = format!("the field has {} bytes; expected at most {LARGEST_FIELD}", text.len());
                return problems.push(problem(Some(name), message));
            }
            if text.trim().is_empty() {
                match empty {
                    EmptyRows::Error => {
                        let message = "is empty; fill it, remove the row, or set `empty_rows` to \"skip\"".to_owned();
                        problems.push(problem(Some(name), message));
                    }
                    EmptyRows::Skip => {
                        let message = "is empty; the row was left out".to_owned();
                        self.findings.push(Finding::new(Kind::Empty, place.row, place.line, name, message));
                    }
                }
                return;
            }
        }
        match self.further.of_record(record) {
            Err((column, message)) => problems.push(problem(Some(column), message)),
            // Another group's.
            Ok(None) => {}
            Ok(Some((group, held_out))) => {
                let (input, output) = (input.to_owned(), output.to_owned());
                self.rows.push(Row { number: place.row, line: place.line, id, input, output, group, held_out });
            }
        }
    }
}

pub(super) fn ragged(found: usize, expected: usize) -> String {
    let why = if found > expected { "quote fields that contain the delimiter" } else { "the row is incomplete" };
    format!("has {found} fields; expected {expected}, as the header has ({why})")
}
