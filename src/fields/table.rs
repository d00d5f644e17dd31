//! Tables: a header row and a row of values, or a column of names and one of values, copied from a spreadsheet (tabs) or
//! from a page of a wiki (bars).

use super::punctuation::{is_edge, is_mark};
use super::{Field, MAX_FIELDS, bad, line};
use crate::dataset::visible;
use crate::error::Result;
use csv::ReaderBuilder;

/// Reads a table; `None` if the text is none. Its names have no colon: with one it would be a line of fields.
pub(super) fn fields(text: &str) -> Result<Option<Vec<Field>>> {
    let rows = match text.lines().next() {
        Some(first) if first.contains('\t') => tabbed(text),
        Some(first) if first.contains(['|', '｜']) => barred(text),
        _ => return Ok(None),
    };
    let is_name = |cell: &String| !cell.is_empty() && !cell.contains(is_mark);
    let [header, rest @ ..] = rows.as_slice() else { return Ok(None) };
    let pairs = |row: &Vec<String>| row.len() <= 2 && row.first().is_some_and(is_name);
    if rest.len() >= 2 && header.len() == 2 && rows.iter().all(pairs) {
        let value = |row: &Vec<String>| row.get(1).cloned().unwrap_or_default();
        return Ok(Some(rows.iter().map(|row| line::written(&row[0], &value(row))).collect()));
    }
    if header.len() < 2 || !header.iter().all(is_name) {
        return Ok(None);
    }
    match rest {
        [] => Ok(None),
        [values] if values.len() <= header.len() => {
            let values = values.iter().map(String::as_str).chain(std::iter::repeat(""));
            Ok(Some(header.iter().zip(values).map(|(name, value)| line::written(name, value)).collect()))
        }
        [values] => Err(bad(format!(
            "the table's second row has {} cells; expected at most {}, one for each name in the first row",
            values.len(),
            header.len()
        ))),
        more => Err(bad(format!(
            "the input is a table of {} rows after its header; expected one, since a report is about one case",
            more.len()
        ))),
    }
}

/// Rows as a spreadsheet copies them, quotes and all.
fn tabbed(text: &str) -> Vec<Vec<String>> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(b'\t').from_reader(text.as_bytes());
    let rows = reader.records().map_while(Result::ok).map(|record| record.iter().map(cell).collect());
    cleaned(rows)
}

/// Rows between bars, as Markdown and wikis have them (`||` around headings); the rule below a heading is no row.
fn barred(text: &str) -> Vec<Vec<String>> {
    let is_rule =
        |row: &Vec<String>| row.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| "-:=".contains(c)));
    let rows = text.lines().map(|line| {
        let line = line.trim_matches(is_edge);
        let cells = if line.starts_with("||") { line.replace("||", "|") } else { line.replace('｜', "|") };
        let cells = cells.strip_prefix('|').unwrap_or(&cells);
        cells.strip_suffix('|').unwrap_or(cells).split('|').map(cell).collect()
    });
    cleaned(rows.filter(|row| !is_rule(row)))
}

fn cell(text: &str) -> String {
    text.trim_matches(is_edge).to_owned()
}

/// Rows that have a cell, without the empty ones at their ends; no more than matter.
fn cleaned(rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let trimmed = rows.map(|mut row| {
        while row.last().is_some_and(String::is_empty) {
            row.pop();
        }
        row
    });
    let mut rows: Vec<Vec<String>> = trimmed.filter(|row| !row.is_empty()).take(MAX_FIELDS + 2).collect();
    for name in rows.first_mut().into_iter().flatten() {
        *name = visible(name).trim().to_owned();
    }
    rows
}
