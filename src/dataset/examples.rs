//! Rows as a model sees them.

use super::options::LongRows;
use super::{Dataset, Row};
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::tokenize::{Example, PromptFormat};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// So many rows are named in an error.
const LISTED: usize = 20;
/// Rows between two progress events.
const REPORT_EVERY: usize = 64;

/// The tokenized rows of a dataset.
#[derive(Debug)]
pub(crate) struct Examples {
    /// In the order of the file.
    pub rows: Vec<Example>,
    /// For each of `rows`, the number of its record in the file.
    pub row_numbers: Vec<usize>,
    /// Rows that were left out because they do not fit (`long_rows: "skip"`).
    pub skipped: Vec<TooLong>,
}

/// A row that has more tokens than fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TooLong {
    /// Number of the record.
    pub row: usize,
    /// Line of the file.
    pub line: usize,
    /// Tokens of prompt, completion and end of turn.
    pub tokens: usize,
}

impl Examples {
    /// Tokens of all rows, and how many of them are trained.
    pub fn tokens(&self) -> (usize, usize) {
        let total = self.rows.iter().map(|row| row.ids.len()).sum();
        (total, self.rows.iter().map(|row| row.ids.len() - row.prompt_len).sum())
    }

    /// Tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).max().unwrap_or(0)
    }
}

impl Dataset {
    /// Tokenizes all rows. Nothing is ever cut: a row of more than `max_length` tokens is an error or left out, as the
    /// dataset's `long_rows` says.
    ///
    /// # Errors
    /// `Code::ContextLength` with `row`, `line`, `tokens`, `max_length`, and up to 20 in `rows`.
    pub(crate) fn examples(&self, format: &PromptFormat, max_length: usize, monitor: &mut Monitor) -> Result<Examples> {
        let begun = Instant::now();
        let total = self.rows.len() as u64;
        let mut examples =
            Examples { rows: Vec::with_capacity(self.rows.len()), row_numbers: Vec::new(), skipped: Vec::new() };
        for (index, row) in self.rows.iter().enumerate() {
            monitor.check()?;
            if index % REPORT_EVERY == 0 {
                monitor.report(&Progress::new(Phase::Prepare, index as u64, total, begun.elapsed()));
            }
            let example = self.example(format, row)?;
            match example.ids.len() {
                tokens if tokens > max_length => {
                    examples.skipped.push(TooLong { row: row.number, line: row.line, tokens });
                }
                _ => {
                    examples.rows.push(example);
                    examples.row_numbers.push(row.number);
                }
            }
        }
        monitor.report(&Progress::new(Phase::Prepare, total, total, begun.elapsed()));
        monitor.check()?;
        let refused = self.options.long_rows == LongRows::Error || examples.rows.is_empty();
        match examples.skipped.first() {
            Some(first) if refused => Err(too_long(first, &examples.skipped, max_length)),
            _ => Ok(examples),
        }
    }

    /// Row `number` exactly as the model sees it: `text` with its control tokens, and each of `tokens` with `id`,
    /// `text` and whether it is `trained`.
    ///
    /// # Errors
    /// `Code::InvalidArgument` if there is no such row.
    pub(crate) fn preview(&self, format: &PromptFormat, number: usize) -> Result<Value> {
        let found = self.rows.binary_search_by_key(&number, |row| row.number).ok().and_then(|at| self.rows.get(at));
        let Some(row) = found else {
            let last = self.rows.last().map_or(0, |row| row.number);
            return Err(Error::new(
                Code::InvalidArgument,
                format!("there is no row {number}; expected a row from 1 to {last} that was not left out"),
            )
            .with("row", number));
        };
        let example = self.example(format, row)?;
        let tokenizer = format.tokenizer();
        let text_of = |id: u32| match tokenizer.is_special(id) {
            true => tokenizer.id_to_token(id).unwrap_or_default(),
            false => String::from_utf8_lossy(&tokenizer.token_bytes(id).unwrap_or_default()).into_owned(),
        };
        let tokens: Vec<Value> = example
            .ids
            .iter()
            .enumerate()
            .map(|(at, &id)| json!({"id": id, "text": text_of(id), "trained": at >= example.prompt_len}))
            .collect();
        let (prompt, completion) = example.ids.split_at(example.prompt_len);
        Ok(json!({
            "row": row.number,
            "line": row.line,
            "input": row.input,
            "output": row.output,
            "text": tokenizer.decode(&example.ids, false),
            "prompt": tokenizer.decode(prompt, false),
            "completion": tokenizer.decode(completion, false),
            "prompt_tokens": prompt.len(),
            "completion_tokens": completion.len(),
            "tokens": tokens,
        }))
    }

    fn example(&self, format: &PromptFormat, row: &Row) -> Result<Example> {
        format.example(self.system(), &row.input, &row.output).map_err(|err| {
            err.context(format!("row {} (line {})", row.number, row.line))
                .with("row", row.number)
                .with("line", row.line)
        })
    }
}

fn too_long(first: &TooLong, all: &[TooLong], max_length: usize) -> Error {
    let more = match all.len() {
        1 => String::new(),
        count => format!(" (and {} more rows)", count - 1),
    };
    Error::new(
        Code::ContextLength,
        format!(
            "row {} (line {}) has {} tokens with the role prompt and the chat template; expected at most {max_length}{more}: \
             shorten it, raise `max_length` if the model's context allows, or set the dataset's `long_rows` to \"skip\"",
            first.row, first.line, first.tokens
        ),
    )
    .with("row", first.row)
    .with("line", first.line)
    .with("tokens", first.tokens)
    .with("max_length", max_length)
    .with("rows", &all[..all.len().min(LISTED)])
    .with("rows_total", all.len())
}
