//! A repaired copy of a file: what can be mended without a person, because it cannot change what the file says. Each change is
//! listed; the file itself is never written to.

use super::encoding::Text;
use super::file::CHUNK;
use super::invisible::{is_invisible, is_joiner};
use super::mojibake::undone;
use super::reading::Source;
use super::records::Table;
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use crate::files::write_atomic;
use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Changes that are listed; all are counted.
const LISTED: usize = 1000;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// A row that is alike in every column was left out.
    DuplicateRow,
    /// Text that was read in a wrong encoding was read back.
    Mojibake,
    /// Characters that nobody sees were taken out.
    InvisibleCharacter,
    /// Blanks at the end were taken off.
    TrailingSpace,
}

/// One change, without the text that it was made to.
#[derive(Debug, Clone, Serialize)]
struct Repair {
    change: Change,
    /// Number of the record in the file.
    row: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// The row that is as this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<usize>,
}

/// What was changed in the copy.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Repairs {
    path: PathBuf,
    rows: usize,
    counts: BTreeMap<Change, usize>,
    changes: Vec<Repair>,
}

impl Repairs {
    fn push(&mut self, change: Change, row: usize, column: Option<&str>, same_as: Option<usize>) {
        *self.counts.entry(change).or_default() += 1;
        if self.changes.len() < LISTED {
            self.changes.push(Repair { change, row, column: column.map(str::to_owned), same_as });
        }
    }
}

/// Writes the repaired copy of the file at `path`, whole or not at all, with the delimiter that the options say: they read it,
/// too.
pub(super) fn write(
    (path, copy): (&Path, &Path),
    text: &Text,
    table: &Table,
    delimiter: u8,
    monitor: &Monitor,
) -> Result<Repairs> {
    if let (Ok(original), Ok(there)) = (path.canonicalize(), copy.canonicalize())
        && original == there
    {
        let message =
            format!("the repaired copy {} would replace the file itself; expected another path", copy.display());
        return Err(Error::new(Code::InvalidOptions, message).with("option", "repaired_copy"));
    }
    let source = Source::new(text, table.delimiter, monitor)?;
    let content = source.content();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(table.delimiter)
        .from_reader(content.as_bytes());
    let mut writer = WriterBuilder::new()
        .flexible(true)
        .delimiter(delimiter)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::with_capacity(content.len()));
    let failed = |err: csv::Error| Error::new(Code::Internal, format!("a CSV that was read cannot be copied: {err}"));
    let mut repairs = Repairs { path: copy.to_owned(), ..Default::default() };
    let (mut record, mut number, mut checked) = (StringRecord::new(), 0, 0);
    let mut seen = HashMap::new();
    while reader.read_record(&mut record).map_err(failed)? {
        if reader.position().byte() - checked >= CHUNK as u64 {
            monitor.check()?;
            checked = reader.position().byte();
        }
        if number > 0 {
            record = repaired(&record, number, &table.columns, &mut repairs);
            let first = *seen.entry(digest(&record)).or_insert(number);
            if first != number {
                repairs.push(Change::DuplicateRow, number, None, Some(first));
                number += 1;
                continue;
            }
            repairs.rows += 1;
        }
        writer.write_record(&record).map_err(failed)?;
        number += 1;
    }
    let bytes = writer.into_inner().map_err(|err| Error::new(Code::Internal, err.to_string()))?;
    write_atomic(copy, |file| std::io::Write::write_all(file, &bytes))?;
    Ok(repairs)
}

/// A record with its fields mended.
fn repaired(record: &StringRecord, row: usize, columns: &[String], repairs: &mut Repairs) -> StringRecord {
    let fields = record.iter().enumerate().map(|(at, field)| {
        let column = columns.get(at).map(String::as_str);
        let mut field = field.to_owned();
        if let Some(right) = undone(&field) {
            repairs.push(Change::Mojibake, row, column, None);
            field = right;
        }
        let is_unseen = |c: char| is_invisible(c) && !is_joiner(c);
        if field.contains(is_unseen) {
            repairs.push(Change::InvisibleCharacter, row, column, None);
            field.retain(|c| !is_unseen(c));
        }
        let end = field.trim_end().len();
        if end < field.len() {
            repairs.push(Change::TrailingSpace, row, column, None);
            field.truncate(end);
        }
        field
    });
    fields.collect::<Vec<_>>().into()
}

/// What two records have in common if they are alike in every column.
fn digest(record: &StringRecord) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in record {
        hash.update(field.len().to_le_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}
