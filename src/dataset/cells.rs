//! A file whose rows each stand for themselves, such as cases for reports: what is wrong with a row is its own. What makes
//! the file itself untrustworthy (half a character, a quote that is never closed) still refuses it.

use super::encoding::{self, Text};
use super::header::Header;
use super::options::Encoding;
use super::reading::{LARGEST_FIELD, Source};
use super::records::ragged;
use super::{file, separator};
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use csv::StringRecord;
use std::path::Path;

/// All cells of a CSV.
#[derive(Debug)]
pub(crate) struct Cells {
    /// Names in the header.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<CellRow>,
    /// Of the file, hex.
    pub(crate) sha256: String,
    delimiter: u8,
    header_line: usize,
}

/// One row; its number and line count as a dataset's do.
#[derive(Debug)]
pub(crate) struct CellRow {
    pub(crate) number: usize,
    pub(crate) line: usize,
    /// As many as there are columns.
    pub(crate) cells: Result<Vec<String>>,
}

impl Cells {
    /// Reads a CSV with a header.
    pub(crate) fn read(path: &Path, encoding: Encoding, delimiter: &str, monitor: &Monitor<'_>) -> Result<Self> {
        let delimiter = separator::of_option(delimiter)?;
        let file = file::read(path, monitor)?;
        let read = |bytes: &[u8]| Self::of_text(&encoding::decode(bytes, encoding, delimiter)?, delimiter, monitor);
        let cells = read(&file.bytes).map_err(|err| file::located(err, path))?;
        Ok(Cells { sha256: file.sha256, ..cells })
    }

    fn of_text(text: &Text<'_>, delimiter: u8, monitor: &Monitor<'_>) -> Result<Self> {
        let source = Source::new(text, delimiter, monitor)?;
        let mut records = source.records()?;
        let (mut record, mut rows) = (StringRecord::new(), Vec::new());
        while let Some(place) = records.next(&mut record, monitor)? {
            let bad = |message: String| {
                let error = Error::new(Code::CsvFormat, format!("row {} (line {}): {message}", place.row, place.line));
                Err(error.with("row", place.row).with("line", place.line))
            };
            let cells = if record.len() != records.columns.len() {
                bad(ragged(record.len(), records.columns.len()))
            } else if let Some(cell) = record.iter().find(|cell| cell.len() > LARGEST_FIELD) {
                bad(format!("a field has {} bytes; expected at most {LARGEST_FIELD}", cell.len()))
            } else {
                Ok(record.iter().map(str::to_owned).collect())
            };
            rows.push(CellRow { number: place.row, line: place.line, cells });
        }
        let (delimiter, header_line) = (records.delimiter, records.header_line);
        Ok(Cells { columns: records.columns, rows, sha256: String::new(), delimiter, header_line })
    }

    /// The index of a column.
    pub(crate) fn position(&self, column: &str) -> Result<usize> {
        let Cells { columns, delimiter, header_line, .. } = self;
        Header { columns, delimiter: *delimiter, line: *header_line }.position_of(column)
    }
}

/// The lines of a text file that are not blank, each with its number from 1.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<(usize, String)>,
    /// Of the file, hex.
    pub(crate) sha256: String,
}

impl Lines {
    /// Reads a text file.
    pub(crate) fn read(path: &Path, encoding: Encoding, monitor: &Monitor<'_>) -> Result<Self> {
        let file = file::read(path, monitor)?;
        let text = encoding::decode(&file.bytes, encoding, b',').map_err(|err| file::located(err, path))?;
        let numbered = text.content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let lines = numbered.map(|(index, line)| (index + 1, line.to_owned())).collect();
        Ok(Lines { lines, sha256: file.sha256 })
    }
}
