//! Records to rows: the header, the two columns, and all that may be wrong with them.

use super::Row;
use super::blanks::without_blanks_around_quotes;
use super::encoding::Text;
use super::file::CHUNK;
use super::findings::{Finding, Findings, Kind};
use super::header::{self, Header};
use super::options::{DatasetOptions, EmptyRows};
use super::problems::{Problem, Problems};
use super::scan::{self, Place, QuoteFault};
use super::separator;
use super::strata::Further;
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use csv::{ReaderBuilder, StringRecord};
use std::borrow::Cow;

/// A field of more bytes is a mistake (an unclosed quote, a pasted file); the longest contexts hold less.
const LARGEST_FIELD: usize = 1 << 20;

/// The rows of a file and what was found while reading them.
#[derive(Debug)]
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub columns: Vec<String>,
    pub input_column: String,
    pub output_column: String,
    pub delimiter: u8,
    pub findings: Findings,
    further: Further,
}

/// Reads all records. Problems are collected: the error tells all of them.
pub(super) fn parse(text: &Text<'_>, options: &DatasetOptions, monitor: &Monitor) -> Result<Table> {
    // Control-Z ends a text file of DOS.
    let content = text.content.trim_end_matches('\u{1A}');
    let (delimiter, before_header) = delimiter(content, text, options)?;
    let first_line = 1 + usize::from(before_header > 0);
    let content = &content[before_header..];
    if content.trim().is_empty() {
        return Err(Error::new(Code::CsvFormat, "the file is blank; expected a header and rows"));
    }
    if let Some(offset) = content.bytes().position(|byte| byte == 0) {
        return Err(nul(content, delimiter, offset, first_line));
    }
    monitor.check()?;
    let content = content_of(text, delimiter);
    let content = content.as_ref();
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(content.as_bytes());
    let mut lines = Lines { content: content.as_bytes(), at: 0, line: first_line };
    let mut record = StringRecord::new();
    if !read(&mut reader, &mut record)? {
        return Err(Error::new(Code::CsvFormat, "the file has no header"));
    }
    let columns: Vec<String> = record.iter().map(header::clean).collect();
    if let Some(fault) = scan::quote_fault(content.as_bytes(), delimiter) {
        return Err(quote_error(fault, &columns, first_line));
    }
    let mut table = Table {
        rows: Vec::new(),
        input_column: header::clean(&options.input_column),
        output_column: header::clean(&options.output_column),
        delimiter,
        columns,
        findings: Findings::default(),
        further: Further::default(),
    };
    let header = Header { columns: &table.columns, delimiter, line: first_line };
    let (input, output) = header.positions(&table.input_column, &table.output_column)?;
    table.further = Further::of(&header, options)?;
    header.note(&mut table.findings);
    let mut problems = Problems::default();
    let (mut number, mut checked) = (0, 0);
    while options.max_rows.is_none_or(|limit| number < limit) {
        let start = lines.next_record(reader.position().byte());
        if !read(&mut reader, &mut record)? {
            break;
        }
        if start.saturating_sub(checked) >= CHUNK {
            monitor.check()?;
            checked = start;
        }
        number += 1;
        let place = Place { row: number, line: lines.line, field: 0 };
        table.add(&record, place, (input, output), options.empty_rows, &mut problems);
    }
    problems.check()?;
    if table.rows.is_empty() {
        let message = match (number, &options.group) {
            (0, _) => "the file has a header but no rows".to_owned(),
            (_, Some(group)) => format!("no row with an input and an output is of the group `{group}`"),
            (_, None) => "no row has both an input and an output".to_owned(),
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
        columns: (usize, usize),
        empty: EmptyRows,
        problems: &mut Problems,
    ) {
        let problem = |column: Option<&str>, message: String| Problem {
            row: place.row,
            line: place.line,
            column: column.map(str::to_owned),
            message,
        };
        let (Some(input), Some(output)) = (record.get(columns.0), record.get(columns.1)) else {
            return problems.push(problem(None, ragged(record.len(), self.columns.len())));
        };
        if record.len() != self.columns.len() {
            return problems.push(problem(None, ragged(record.len(), self.columns.len())));
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
                self.rows.push(Row { number: place.row, line: place.line, input, output, group, held_out });
            }
        }
    }
}

fn ragged(found: usize, expected: usize) -> String {
    let why = if found > expected { "quote fields that contain the delimiter" } else { "the row is incomplete" };
    format!("has {found} fields; expected {expected}, as the header has ({why})")
}

/// The header and the records, without what stands before and behind them or around quoted fields.
pub(super) fn content_of<'t>(text: &'t Text<'_>, delimiter: u8) -> Cow<'t, str> {
    let content = text.content.trim_end_matches('\u{1A}');
    let before_header = separator::line(content.as_bytes()).map_or(0, |(_, length)| length);
    without_blanks_around_quotes(&content[before_header..], delimiter)
}

/// The delimiter, and the bytes of the line that says so.
fn delimiter(content: &str, text: &Text<'_>, options: &DatasetOptions) -> Result<(u8, usize)> {
    let wanted = separator::of_option(&options.delimiter)?;
    if let Some(found) = separator::line(content.as_bytes()) {
        return Ok(found);
    }
    let header = content.lines().next().unwrap_or_default();
    let tabbed = text.encoding.starts_with("utf-16") && header.contains('\t') && !header.contains(char::from(wanted));
    Ok((if tabbed { b'\t' } else { wanted }, 0))
}

fn read(reader: &mut csv::Reader<&[u8]>, record: &mut StringRecord) -> Result<bool> {
    reader
        .read_record(record)
        .map_err(|err| Error::new(Code::CsvFormat, format!("the file cannot be read as CSV: {err}")))
}

fn name_of(columns: &[String], field: usize) -> Option<String> {
    match columns.get(field) {
        // With a quote left open in it, a name may be the rest of the file.
        Some(name) if name.len() <= 200 && !name.contains(['\n', '\r']) => Some(name.clone()),
        _ => Some(format!("#{}", field + 1)),
    }
}

fn nul(content: &str, delimiter: u8, offset: usize, first_line: usize) -> Error {
    let place = scan::locate(content.as_bytes(), delimiter, offset);
    let header = content.lines().next().unwrap_or_default();
    let columns: Vec<String> =
        header.split(char::from(delimiter)).map(|name| name.trim_matches('"').to_owned()).collect();
    let message = "contains a NUL byte; the file is damaged, or UTF-16 without a byte order mark".to_owned();
    let line = place.line + first_line - 1;
    Problem { row: place.row, line, column: name_of(&columns, place.field), message }.into_error()
}

fn quote_error(fault: QuoteFault, columns: &[String], first_line: usize) -> Error {
    let (opened, message) = match fault {
        QuoteFault::Unclosed { opened } => (opened, "the quote opened here is never closed".to_owned()),
        QuoteFault::TextAfter { opened, closed } => {
            let message = format!(
                "the quote opened here is closed on line {} but the field goes on; double the quotes inside a quoted \
                 field, or close it before",
                closed.line + first_line - 1
            );
            (opened, message)
        }
    };
    let line = opened.line + first_line - 1;
    Problem { row: opened.row, line, column: name_of(columns, opened.field), message }.into_error()
}

/// Counts lines up to the records that the reader is about to read.
struct Lines<'a> {
    content: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// Moves to the record at or after `offset`, past line ends and blank lines; gives its offset.
    fn next_record(&mut self, offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        while let Some(&byte) = self.content.get(self.at) {
            if self.at >= offset && !matches!(byte, b'\n' | b'\r') {
                break;
            }
            let ends_line = byte == b'\n' || (byte == b'\r' && self.content.get(self.at + 1) != Some(&b'\n'));
            self.line += usize::from(ends_line);
            self.at += 1;
        }
        self.at
    }
}
