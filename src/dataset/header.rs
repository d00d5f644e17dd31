//! The header: which column is which, and what to say if one is not there.

use super::findings::{Finding, Findings, Kind};
use super::invisible::{plain, visible};
use super::problems::Problem;
use super::separator;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// So many names are listed in an error.
const LISTED: usize = 50;

/// A name as it counts: without white space around it, and without characters that nobody sees.
pub(super) fn clean(name: &str) -> String {
    visible(name).trim().to_owned()
}

/// The names in the header, on this line of the file.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub columns: &'a [String],
    pub delimiter: u8,
    pub line: usize,
}

impl Header<'_> {
    /// The indexes of the two columns.
    pub fn positions(&self, input: &str, output: &str) -> Result<(usize, usize)> {
        Ok((self.position(input, [input, output])?, self.position(output, [input, output])?))
    }

    /// The index of another column.
    pub fn position_of(&self, name: &str) -> Result<usize> {
        let name = clean(name);
        self.position(&name, [&name, &name])
    }

    /// The index of a further column, if one is named.
    pub fn further(&self, name: Option<&str>) -> Result<Option<usize>> {
        name.map(|name| self.position_of(name)).transpose()
    }

    fn position(&self, name: &str, both: [&str; 2]) -> Result<usize> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name).map(|(index, _)| index);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(first), Some(second)) => {
                Err(self
                    .problem(name, format!("is there twice (columns {} and {}); rename one", first + 1, second + 1)))
            }
            (None, _) => Err(self.missing(name, both)),
        }
    }

    fn missing(&self, name: &str, both: [&str; 2]) -> Error {
        let nearest = self.nearest(name);
        let delimiter = match self.columns {
            [only] => separator::likely(only, self.delimiter, both),
            _ => None,
        };
        let hint = match (&nearest, delimiter) {
            (_, Some(other)) => format!(
                "; the header is a single column, is the delimiter another one, {other:?} perhaps (option `delimiter`)?"
            ),
            (Some(nearest), None) => {
                format!("; did you mean `{nearest}`? (options `input_column`, `output_column`, `id_column`)")
            }
            (None, None) => {
                "; name the column with the options `input_column`, `output_column` and `id_column`".to_owned()
            }
        };
        let shown: Vec<&String> = self.columns.iter().take(LISTED).collect();
        let listed: Vec<String> = shown.iter().map(|column| format!("`{}`", shortened(column))).collect();
        self.problem(name, format!("is missing; the file has {}{hint}", listed.join(", ")))
            .with("columns", shown)
            .with("nearest", nearest)
            .with("delimiter", delimiter)
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let name = plain(name);
        let likeness = |column: &String| strsim::jaro_winkler(&plain(&shortened(column)), &name);
        let known = self.columns.iter().filter(|column| !column.is_empty());
        let near = known.map(|column| (likeness(column), column)).filter(|(likeness, _)| *likeness > 0.6);
        near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, column)| column.clone())
    }

    /// Doubtful names that do not concern our two columns.
    pub fn note(&self, findings: &mut Findings) {
        let mut seen = HashSet::new();
        for (index, name) in self.columns.iter().enumerate() {
            if !seen.insert(name) {
                let message = format!("column {} has the same name as one before it", index + 1);
                findings.push(Finding::new(Kind::DuplicateHeader, 0, self.line, name, message));
            }
        }
    }

    fn problem(&self, column: &str, message: String) -> Error {
        Problem { row: 0, line: self.line, column: Some(column.to_owned()), message }.into_error()
    }
}

/// With a quote left open, a name may be the rest of the file.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}
