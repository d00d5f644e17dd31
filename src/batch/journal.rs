//! The file of reports as the journal of its job: whole lines, in the order of the rows.

use super::cases::Case;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::append::AppendFile;
use crate::files::open_regular;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A report is some thousand bytes; one that is longer than this is none.
const MAX_LINE: u64 = 64 << 20;

/// How many rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) reports: usize,
    /// Rows with an error instead.
    pub(super) failed: usize,
}

impl Written {
    pub(super) fn rows(self) -> usize {
        self.reports + self.failed
    }

    pub(super) fn count(&mut self, is_report: bool) {
        match is_report {
            true => self.reports += 1,
            false => self.failed += 1,
        }
    }
}

/// An open file of reports.
pub(super) struct Journal(AppendFile);

impl Journal {
    /// Opens the file and sees which rows are in it: those of the first cases. Half a line goes.
    ///
    /// # Errors
    /// `Io`: a line is not that of its row.
    pub(super) fn open(path: &Path, cases: &[Case]) -> Result<(Self, Written)> {
        let mut file = AppendFile::open(path)?;
        file.drop_half_a_line()?;
        let (mut lines, mut written) = (LineReader::open(path)?, Written::default());
        while let Some(line) = lines.next()? {
            let expected = cases.get(written.rows()).map(|case| case.row);
            let row = line.row(path)?;
            if Some(row.number) != expected {
                let expected = expected.map_or("the end".to_owned(), |row| format!("row {row}"));
                let message = format!("line {} is of row {}; expected {expected}", line.number, row.number);
                return Err(Error::new(Code::Io, message).with("line", line.number).in_file(path));
            }
            written.count(row.is_report);
        }
        Ok((Journal(file), written))
    }

    /// Adds lines, and waits until they are on the disk.
    pub(super) fn add(&mut self, lines: &str) -> Result<()> {
        self.0.add(lines.as_bytes())?;
        self.0.sync()
    }
}

/// The line of a row.
pub(super) fn line(case: &Case, outcome: &Result<Value>) -> String {
    let mut line = Map::from_iter([("row".to_owned(), json!(case.row)), ("line".to_owned(), json!(case.line))]);
    line.extend(case.id.as_ref().map(|id| ("id".to_owned(), json!(id))));
    match outcome {
        Ok(report) => line.insert("report".to_owned(), report.clone()),
        Err(err) => {
            let (code, message) = (err.code().status(), err.message());
            line.insert("error".to_owned(), json!({ "code": code, "message": message, "details": err.details() }))
        }
    };
    format!("{}\n", Value::Object(line))
}

/// What a line says of its row.
pub(super) struct RowLine {
    pub(super) number: usize,
    pub(super) is_report: bool,
}

/// A whole line, with its line end.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) number: usize,
}

impl Line<'_> {
    pub(super) fn row(&self, path: &Path) -> Result<RowLine> {
        #[derive(Deserialize)]
        struct Parts {
            row: usize,
            report: Option<IgnoredAny>,
            error: Option<IgnoredAny>,
        }
        let damaged = |why: String| Error::new(Code::Io, why).with("line", self.number).in_file(path);
        let parts: Parts = serde_json::from_str(self.text)
            .map_err(|err| damaged(format!("line {} is no line of a batch: {err}", self.number)))?;
        match (parts.report.is_some(), parts.error.is_some()) {
            (true, false) | (false, true) => Ok(RowLine { number: parts.row, is_report: parts.report.is_some() }),
            _ => Err(damaged(format!("line {} has not one of `report` and `error`", self.number))),
        }
    }
}

/// Reads a file of reports line by line.
pub(super) struct LineReader {
    file: BufReader<std::fs::File>,
    path: PathBuf,
    text: String,
    number: usize,
}

impl LineReader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = BufReader::new(open_regular(path)?);
        Ok(LineReader { file, path: path.to_owned(), text: String::new(), number: 0 })
    }

    /// The next line; none where the file ends.
    ///
    /// # Errors
    /// `Io`: half a line, or one that has no end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.text.clear();
        self.number += 1;
        (&mut self.file).take(MAX_LINE).read_line(&mut self.text).at("read", &self.path)?;
        if self.text.is_empty() {
            return Ok(None);
        }
        if !self.text.ends_with('\n') {
            let message = format!("line {} has no end; call the batch again, which goes on from there", self.number);
            return Err(Error::new(Code::Io, message).with("line", self.number).in_file(&self.path));
        }
        Ok(Some(Line { text: &self.text, number: self.number }))
    }
}
