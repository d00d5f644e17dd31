//! Rows as a model sees them.

use super::options::LongRows;
use super::strata::Strata;
use super::truncate::{Truncated, truncate};
use super::{Dataset, Row};
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::tokenize::{Example, PromptFormat};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// So many rows are named in an error or a summary.
const LISTED: usize = 20;
/// Tokens that a preview shows at most if the dataset says nothing: what training allows if it is told nothing.
const PREVIEW_LENGTH: usize = 1024;
/// Rows between two progress events.
const REPORT_EVERY: usize = 64;

/// The tokenized rows of a dataset.
#[derive(Debug)]
pub(crate) struct Examples {
    /// In the order of the file.
    pub rows: Vec<Example>,
    /// For each of `rows`, the number of its record in the file.
    pub row_numbers: Vec<usize>,
    /// What a split of `rows` goes by.
    pub strata: Strata,
    /// Rows that were left out because they do not fit (`long_rows: "skip"`).
    pub skipped: Vec<TooLong>,
    /// Rows among `rows` that were cut to fit (`long_rows: "truncate"`).
    pub truncated: Vec<Truncated>,
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
    /// The first of the rows that were cut, for a summary.
    pub fn listed_cuts(&self) -> &[Truncated] {
        &self.truncated[..self.truncated.len().min(LISTED)]
    }

    /// Whether there is a row that is not held out.
    pub fn can_be_trained_on(&self) -> bool {
        match &self.strata.held_out {
            Some(held_out) => held_out.contains(&false),
            None => !self.rows.is_empty(),
        }
    }

    /// Tokens of all rows, and how many of them are trained.
    pub fn tokens(&self) -> (usize, usize) {
        let total = self.rows.iter().map(|row| row.ids.len()).sum();
        (total, self.rows.iter().map(|row| row.ids.len() - row.prompt_len).sum())
    }

    fn push(&mut self, row: &Row, example: Example) {
        self.rows.push(example);
        self.row_numbers.push(row.number);
    }

    /// Tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).max().unwrap_or(0)
    }
}

impl Dataset {
    /// Tokenizes all rows. A row of more than `max_length` tokens, or of more than the dataset allows, is an error, left
    /// out or cut, as the dataset's `long_rows` says.
    ///
    /// # Errors
    /// `Code::ContextLength` with `row`, `line`, `tokens`, `max_length`, and up to 20 in `rows`.
    pub(crate) fn examples(&self, format: &PromptFormat, max_length: usize, monitor: &mut Monitor) -> Result<Examples> {
        let begun = Instant::now();
        let total = self.rows.len() as u64;
        let max_length = self.options.max_length.map_or(max_length, |own| own.min(max_length));
        let mut examples = Examples {
            rows: Vec::with_capacity(self.rows.len()),
            row_numbers: Vec::new(),
            strata: Strata::default(),
            skipped: Vec::new(),
            truncated: Vec::new(),
        };
        for (index, row) in self.rows.iter().enumerate() {
            monitor.check()?;
            if index % REPORT_EVERY == 0 {
                monitor.report(&Progress::new(Phase::Prepare, index as u64, total, begun.elapsed()));
            }
            match self.fitted(format, row, max_length)? {
                Fitted::Whole(example) => examples.push(row, example),
                Fitted::Cut(example, cut) => {
                    examples.push(row, example);
                    examples.truncated.push(cut);
                }
                Fitted::TooLong(example) => {
                    let tokens = example.ids.len();
                    examples.skipped.push(TooLong { row: row.number, line: row.line, tokens });
                }
            }
        }
        monitor.report(&Progress::new(Phase::Prepare, total, total, begun.elapsed()));
        monitor.check()?;
        examples.strata = self.strata(&examples.row_numbers);
        let refused = self.options.long_rows != LongRows::Skip || examples.rows.is_empty();
        match examples.skipped.first() {
            Some(first) if refused => {
                let err = too_long(first, &examples.skipped, max_length, self.options.long_rows);
                Err(err.in_file(&self.path))
            }
            _ => Ok(examples),
        }
    }

    /// Row `number` exactly as a model with this context sees it: `text` with its control tokens, and each of `tokens`
    /// with `id`, `text` and whether it is `trained`. A row that is `too_long` for the dataset's `max_length` is shown cut
    /// if the dataset cuts rows, and `truncated` says what was cut.
    ///
    /// # Errors
    /// `Code::InvalidArgument` if there is no such row.
    pub(crate) fn preview(&self, format: &PromptFormat, context: usize, number: usize) -> Result<Value> {
        let Some(row) = self.row(number) else {
            let last = self.rows.last().map_or(0, |row| row.number);
            return Err(Error::new(
                Code::InvalidArgument,
                format!("there is no row {number}; expected a row from 1 to {last} that was not left out"),
            )
            .with("row", number));
        };
        let max_length = self.options.max_length.unwrap_or(PREVIEW_LENGTH).min(context);
        let (example, cut, too_long) = match self.fitted(format, row, max_length)? {
            Fitted::Whole(example) => (example, None, false),
            Fitted::Cut(example, cut) => (example, Some(cut), true),
            Fitted::TooLong(example) => (example, None, true),
        };
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
            "max_length": max_length,
            "too_long": too_long,
            "truncated": cut,
            "tokens": tokens,
        }))
    }

    /// A row as tokens, cut if it must and may be.
    fn fitted(&self, format: &PromptFormat, row: &Row, max_length: usize) -> Result<Fitted> {
        let located = |err: Error| {
            err.context(format!("row {} (line {})", row.number, row.line))
                .with("row", row.number)
                .with("line", row.line)
        };
        let example = format.example(self.system_of(row), &row.input, &row.output).map_err(located)?;
        if example.ids.len() <= max_length {
            return Ok(Fitted::Whole(example));
        }
        let cut = match self.options.long_rows {
            LongRows::Truncate => truncate(format, self.system_of(row), row, &example, max_length).map_err(located)?,
            LongRows::Error | LongRows::Skip => None,
        };
        Ok(cut.map_or(Fitted::TooLong(example), |(example, cut)| Fitted::Cut(example, cut)))
    }
}

/// A row against a number of tokens.
enum Fitted {
    Whole(Example),
    Cut(Example, Truncated),
    TooLong(Example),
}

fn too_long(first: &TooLong, all: &[TooLong], max_length: usize, asked: LongRows) -> Error {
    let more = match all.len() {
        1 => String::new(),
        count => format!(" (and {} more rows)", count - 1),
    };
    let remedy = match asked {
        LongRows::Truncate => {
            "it cannot be cut either, since the role prompt leaves less than a quarter of that to the input or the output: \
             shorten the role prompt, or raise `max_length` if the model's context allows"
        }
        LongRows::Error | LongRows::Skip => {
            "shorten it, raise `max_length` if the model's context allows, or set the dataset's `long_rows` to \"skip\" or \
             \"truncate\""
        }
    };
    Error::new(
        Code::ContextLength,
        format!(
            "row {} (line {}) has {} tokens with the role prompt and the chat template; expected at most {max_length}{more}: \
             {remedy}",
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
