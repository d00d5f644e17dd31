//! What makes a file unusable, collected so that a person can mend all of it at once.

use crate::error::{Code, Error, Result};
use serde::Serialize;

/// This many are listed; the rest are counted.
const LISTED: usize = 20;

/// One thing wrong at one place.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    pub row: usize,
    pub line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub message: String,
}

impl Problem {
    pub fn into_error(self) -> Error {
        let mut problems = Problems::default();
        problems.push(self);
        problems.error()
    }
}

/// All problems of a file.
#[derive(Debug, Default)]
pub(super) struct Problems {
    listed: Vec<Problem>,
    total: usize,
}

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.total += 1;
        if self.listed.len() < LISTED {
            self.listed.push(problem);
        }
    }

    /// An error that tells the first problem and holds the others.
    pub fn check(self) -> Result<()> {
        if self.total == 0 { Ok(()) } else { Err(self.error()) }
    }

    fn error(self) -> Error {
        let Some(first) = self.listed.first().cloned() else { return Error::new(Code::Internal, "no problem") };
        let place = match (first.row, &first.column) {
            (0, Some(column)) => format!("header, column `{column}`"),
            (0, None) => "header".to_owned(),
            (row, Some(column)) => format!("row {row} (line {}), column `{column}`", first.line),
            (row, None) => format!("row {row} (line {})", first.line),
        };
        let more = match self.total {
            1 => String::new(),
            total => format!(" (and {} more problems)", total - 1),
        };
        Error::new(Code::CsvFormat, format!("{place}: {}{more}", first.message))
            .with("row", first.row)
            .with("line", first.line)
            .with("column", first.column)
            .with("problems", self.listed)
            .with("problems_total", self.total)
    }
}
