//! The cases of a file: a row each, which is read as it is for itself.

use super::options::{BatchOptions, CaseFormat};
use crate::control::Monitor;
use crate::dataset::{CellRow, Cells, Lines, clean_id};
use crate::error::{Code, Error, Result};
use crate::fields::members;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// One row of the file.
#[derive(Debug)]
pub(super) struct Case {
    /// From 1.
    pub(super) row: usize,
    /// Line of the file where it begins, from 1.
    pub(super) line: usize,
    /// Whose it is, if the file says it.
    pub(super) id: Option<String>,
    /// What a report is written on, or what is wrong with the row.
    pub(super) input: Result<String>,
}

/// All rows of a file.
pub(super) struct Cases {
    pub(super) rows: Vec<Case>,
    /// Of the file, hex.
    pub(super) sha256: String,
}

/// Where a row's parts are found.
struct Columns<'a> {
    names: &'a [String],
    input: Option<usize>,
    id: Option<usize>,
}

impl Cases {
    pub(super) fn read(path: &Path, options: &BatchOptions, monitor: &Monitor<'_>) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let is_jsonl = match options.format {
            CaseFormat::Auto => matches!(extension.as_deref(), Some("jsonl" | "ndjson")),
            format => format == CaseFormat::Jsonl,
        };
        let mut cases = if is_jsonl { of_lines(path, options, monitor)? } else { of_csv(path, options, monitor)? };
        if cases.rows.is_empty() {
            return Err(Error::new(Code::CsvFormat, "the file of cases has no rows").in_file(path));
        }
        refuse_repeated_ids(&mut cases.rows);
        Ok(cases)
    }
}

fn of_csv(path: &Path, options: &BatchOptions, monitor: &Monitor<'_>) -> Result<Cases> {
    let cells = Cells::read(path, options.encoding, &options.delimiter, monitor)?;
    let position = |name: &Option<String>| {
        let position = name.as_deref().map(|name| cells.position(name)).transpose();
        position.map_err(|err| err.in_file(path))
    };
    let (input, id) = (position(&options.input_column)?, position(&options.id_column)?);
    let columns = Columns { names: &cells.columns, input, id };
    let rows = cells.rows.iter().map(|row| columns.case(row, options)).collect();
    Ok(Cases { rows, sha256: cells.sha256 })
}

impl Columns<'_> {
    fn case(&self, row: &CellRow, options: &BatchOptions) -> Case {
        let CellRow { number, line, cells } = row;
        let (id, input) = match cells {
            Err(err) => (None, Err(err.clone())),
            Ok(cells) => {
                let id = self.id.map(|id| clean_id(&cells[id]));
                let input = match self.input {
                    Some(input) => cells[input].clone(),
                    None => self.object(cells),
                };
                (id, Ok(input))
            }
        };
        Case { row: *number, line: *line, id: id.clone(), input: input.and_then(|input| with_id(input, id, options)) }
    }

    /// All cells that have something in them, as the fields of a case.
    fn object(&self, cells: &[String]) -> String {
        let fields = self.names.iter().zip(cells).enumerate();
        let fields = fields.filter(|(index, (_, cell))| Some(*index) != self.id && !cell.trim().is_empty());
        let member = |(_, (name, cell)): (usize, (&String, &String))| format!("{}:{}", quoted(name), quoted(cell));
        // Two columns of one name stay two: the report refuses them.
        format!("{{{}}}", fields.map(member).collect::<Vec<_>>().join(","))
    }
}

fn of_lines(path: &Path, options: &BatchOptions, monitor: &Monitor<'_>) -> Result<Cases> {
    let Lines { lines, sha256 } = Lines::read(path, options.encoding, monitor)?;
    let case = |(index, (line, text)): (usize, (usize, String))| {
        let (id, input) = match of_object(text.trim(), options) {
            Ok((id, input)) => (id, Ok(input)),
            Err(err) => (None, Err(err.context(format!("row {} (line {line})", index + 1)))),
        };
        Case { row: index + 1, line, id: id.clone(), input: input.and_then(|input| with_id(input, id, options)) }
    };
    Ok(Cases { rows: lines.into_iter().enumerate().map(case).collect(), sha256 })
}

/// The id and the input in a JSON object. What goes to the report goes as it was written, numbers digit by digit.
fn of_object(text: &str, options: &BatchOptions) -> Result<(Option<String>, String)> {
    let invalid = |err: serde_json::Error| bad(format!("is not valid JSON: {err}"));
    serde_json::from_str::<IgnoredAny>(text).map_err(invalid)?;
    if !text.starts_with('{') {
        return Err(bad("is no JSON object; expected one on each line".to_owned()));
    }
    let (mut id, mut input, mut others) = (None, None, Vec::new());
    for (name, value) in members(text) {
        let key: String = serde_json::from_str(&text[name.clone()]).map_err(invalid)?;
        let slot = match Some(&key) {
            key if key == options.id_column.as_ref() => &mut id,
            key if key == options.input_column.as_ref() => &mut input,
            _ => {
                others.push(&text[name.start..value.end]);
                continue;
            }
        };
        if slot.replace(&text[value]).is_some() {
            return Err(bad(format!("has the key `{key}` twice; expected it once")));
        }
    }
    let id = id.map(|value| match value.as_bytes()[0] {
        b'"' => serde_json::from_str::<String>(value).map(|id| clean_id(&id)).map_err(invalid),
        b'-' | b'0'..=b'9' => Ok(value.to_owned()),
        _ => Err(bad("has an id that is neither a text nor a number".to_owned())),
    });
    let input = match (&options.input_column, input) {
        (None, _) => format!("{{{}}}", others.join(",")),
        (Some(_), Some(value)) if value.starts_with('"') => serde_json::from_str(value).map_err(invalid)?,
        (Some(_), Some(value)) if value.starts_with('{') => value.to_owned(),
        (Some(key), Some(_)) => return Err(bad(format!("has neither a text nor an object as `{key}`"))),
        (Some(key), None) => return Err(bad(format!("has no key `{key}`; the option `input_column` names it"))),
    };
    Ok((id.transpose()?, input))
}

/// The input, if the row says whose it is where it should.
fn with_id(input: String, id: Option<String>, options: &BatchOptions) -> Result<String> {
    match &options.id_column {
        Some(column) if id.is_none_or(|id| id.is_empty()) => {
            Err(bad(format!("has nothing in `{column}`, so nobody could say whose report it is")))
        }
        _ => Ok(input),
    }
}

/// The first row of an id stands; the others fail.
fn refuse_repeated_ids(cases: &mut [Case]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let Some(id) = case.id.clone().filter(|_| case.input.is_ok()) else { continue };
        match seen.get(&id) {
            Some(first) => {
                let message =
                    format!("has the id `{id}`, as row {first} has; expected one row for each, or another `id_column`");
                case.input = Err(bad(message).with("first_row", first));
            }
            None => {
                seen.insert(id, case.row);
            }
        }
    }
}

fn bad(message: String) -> Error {
    Error::new(Code::CsvFormat, message)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::from_value;
    use serde_json::json;

    fn read(name: &str, text: &str, options: Value) -> Vec<(Option<String>, std::result::Result<String, String>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let cases = Cases::read(&path, &from_value(options).unwrap(), &Monitor::none()).unwrap();
        assert!(cases.rows.iter().enumerate().all(|(index, case)| case.row == index + 1));
        let plain = |case: Case| (case.id, case.input.map_err(|err| err.message().to_owned()));
        cases.rows.into_iter().map(plain).collect()
    }

    fn ok(id: &str, input: &str) -> (Option<String>, std::result::Result<String, String>) {
        (Some(id.to_owned()), Ok(input.to_owned()))
    }

    #[test]
    fn a_bad_row_of_a_csv_is_bad_alone() {
        let csv = "工号,input\n E1,\"岗位:工程师,绩效:A\"\nE2\n,x\nE1,y\nE3,z\n";
        let rows = read("cases.csv", csv, json!({"id_column": "工号"}));
        assert_eq!((&rows[0], &rows[4]), (&ok("E1", "岗位:工程师,绩效:A"), &ok("E3", "z")));
        for (index, words) in [(1, "row 2 (line 3): has 1 fields"), (2, "nothing in `工号`"), (3, "as row 1 has")] {
            let message = rows[index].1.as_ref().unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn all_columns_are_the_fields_of_a_case() {
        let csv = "工号,岗位,绩效,评语\nE1,工程师,A,\"说:\"\"好\"\"\"\nE2,,B,\n";
        let rows = read("cases.csv", csv, json!({"id_column": "工号", "input_column": null}));
        assert_eq!(rows[0], ok("E1", r#"{"岗位":"工程师","绩效":"A","评语":"说:\"好\""}"#));
        assert_eq!(rows[1], ok("E2", r#"{"绩效":"B"}"#));
    }

    #[test]
    fn json_lines_keep_what_is_written() {
        let lines = concat!(
            "{\"id\": 17, \"salary\": 12000.50, \"level\": \"P7\"}\n\n",
            "{\"level\": \"P6\", \"id\": \"E2\"}\n",
            "[1]\n{\"id\": 17\n{\"id\": null}\n{\"id\": 1, \"id\": 2}\n{}\n",
        );
        let rows = read("cases.jsonl", lines, json!({"id_column": "id", "input_column": null}));
        assert_eq!(rows[0], ok("17", r#"{"salary": 12000.50,"level": "P7"}"#));
        assert_eq!(rows[1], ok("E2", r#"{"level": "P6"}"#));
        for (index, words) in [
            (2, "row 3 (line 4): is no JSON object"),
            (3, "is not valid JSON"),
            (4, "neither a text nor a number"),
            (5, "`id` twice"),
            (6, "nothing in `id`"),
        ] {
            let message = rows[index].1.as_ref().unwrap_err();
            assert!(message.contains(words), "{message}");
        }
        let rows = read(
            "x",
            "{\"input\": \"a:b\"}\n{\"input\": {\"a\": 1.10, \"b\": \"}\"}}\n{\"input\": 3}\n{}\n",
            json!({"format": "jsonl"}),
        );
        assert_eq!((&rows[0].1, &rows[1].1), (&Ok("a:b".to_owned()), &Ok("{\"a\": 1.10, \"b\": \"}\"}".to_owned())));
        assert!(rows[2].1.is_err() && rows[3].1.as_ref().unwrap_err().contains("no key `input`"));
    }
}
