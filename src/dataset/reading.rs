//! A CSV record by record: its delimiter, its header, and where each record stands. What the records mean is for others to
//! say.

use super::blanks::without_blanks_around_quotes;
use super::encoding::Text;
use super::file::CHUNK;
use super::header;
use super::problems::Problem;
use super::scan::{self, Place, QuoteFault};
use super::separator;
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use csv::{ReaderBuilder, StringRecord};
use std::borrow::Cow;

/// A field of more bytes is a mistake (an unclosed quote, a pasted file); the longest contexts hold less.
pub(super) const LARGEST_FIELD: usize = 1 << 20;

/// The text of a CSV, ready to be read.
pub(super) struct Source<'a> {
    content: Cow<'a, str>,
    delimiter: u8,
    first_line: usize,
}

impl<'a> Source<'a> {
    /// `wanted` is the delimiter that holds where the file does not say another.
    pub fn new(text: &'a Text<'_>, wanted: u8, monitor: &Monitor) -> Result<Self> {
        // Control-Z ends a text file of DOS.
        let content = text.content.trim_end_matches('\u{1A}');
        let (delimiter, before_header) = delimiter(content, text, wanted);
        let first_line = 1 + usize::from(before_header > 0);
        let content = &content[before_header..];
        if content.trim().is_empty() {
            return Err(Error::new(Code::CsvFormat, "the file is blank; expected a header and rows"));
        }
        if let Some(offset) = content.bytes().position(|byte| byte == 0) {
            return Err(nul(content, delimiter, offset, first_line));
        }
        monitor.check()?;
        Ok(Source { content: without_blanks_around_quotes(content, delimiter), delimiter, first_line })
    }

    /// The header and the records, without what stands before and behind them or around quoted fields.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Reads the header.
    pub fn records(&self) -> Result<Records<'_>> {
        let Source { content, delimiter, first_line } = self;
        let content = content.as_bytes();
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(*delimiter).from_reader(content);
        let lines = Lines { content, at: 0, line: *first_line };
        let mut record = StringRecord::new();
        if !read(&mut reader, &mut record)? {
            return Err(Error::new(Code::CsvFormat, "the file has no header"));
        }
        let columns: Vec<String> = record.iter().map(header::clean).collect();
        if let Some(fault) = scan::quote_fault(content, *delimiter) {
            return Err(quote_error(fault, &columns, *first_line));
        }
        let (delimiter, header_line) = (*delimiter, *first_line);
        Ok(Records { columns, delimiter, header_line, reader, lines, number: 0, checked: 0 })
    }
}

/// The records after the header.
pub(super) struct Records<'a> {
    /// Names in the header.
    pub columns: Vec<String>,
    pub delimiter: u8,
    /// Line of the file on which the header is.
    pub header_line: usize,
    reader: csv::Reader<&'a [u8]>,
    lines: Lines<'a>,
    number: usize,
    checked: usize,
}

impl Records<'_> {
    /// How many bytes of the content were read.
    pub fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// Reads the next record, and says where it is.
    pub fn next(&mut self, record: &mut StringRecord, monitor: &Monitor) -> Result<Option<Place>> {
        let start = self.lines.next_record(self.reader.position().byte());
        if !read(&mut self.reader, record)? {
            return Ok(None);
        }
        if start.saturating_sub(self.checked) >= CHUNK {
            monitor.check()?;
            self.checked = start;
        }
        self.number += 1;
        Ok(Some(Place { row: self.number, line: self.lines.line, field: 0 }))
    }
}

/// The delimiter, and the bytes of the line that says so.
fn delimiter(content: &str, text: &Text<'_>, wanted: u8) -> (u8, usize) {
    if let Some(found) = separator::line(content.as_bytes()) {
        return found;
    }
    let header = content.lines().next().unwrap_or_default();
    let tabbed = text.encoding.starts_with("utf-16") && header.contains('\t') && !header.contains(char::from(wanted));
    (if tabbed { b'\t' } else { wanted }, 0)
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
