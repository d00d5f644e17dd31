//! The shards of a job as one file: all of them, each whole, each row once.

use super::job::{Identity, MARKER, REPORTS};
use super::journal::{LineReader, Written};
use super::options::Shard;
use crate::error::{Code, Error, Result};
use crate::files::{is_there, write_atomic};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What shards came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergeSummary {
    /// Rows of the file of cases.
    pub rows: usize,
    /// Rows that have a report.
    pub reports: usize,
    /// Rows that have an error instead.
    pub failed: usize,
}

/// Puts the reports of all shards of a job, each in the folder that it was written to, into one new file, in the order of the
/// rows.
///
/// # Errors
/// `InvalidArgument`: a folder is no job's, the shards are not of one job, or one is missing or there twice. `Io`: a shard is
/// not finished, a row is missing or there twice, or `output` is there already.
pub fn merge_shards(shards: &[PathBuf], output: &Path) -> Result<MergeSummary> {
    let (rows, mut readers) = open(shards)?;
    if is_there(output)? {
        let message = format!("{} is there already; choose a new file", output.display());
        return Err(Error::new(Code::Io, message).with_path(output));
    }
    let mut written = Written::default();
    let mut failure = None;
    let done = write_atomic(output, |file| {
        copy(rows, &mut readers, &mut written, &mut |line| file.write_all(line)).unwrap_or_else(|err| {
            failure = Some(err);
            Err(std::io::Error::other("a shard cannot be read"))
        })
    });
    match failure {
        Some(err) => Err(err),
        None => done.map(|()| MergeSummary { rows, reports: written.reports, failed: written.failed }),
    }
}

/// A shard's file of reports.
struct ShardReader {
    lines: LineReader,
    path: PathBuf,
}

/// The rows of the file of cases, and all shards by their index.
fn open(shards: &[PathBuf]) -> Result<(usize, Vec<ShardReader>)> {
    let refuse = |folder: &Path, what: String| {
        Error::new(Code::InvalidArgument, format!("{} {what}", folder.display())).with_path(folder)
    };
    let mut first: Option<(Identity, Shard)> = None;
    let mut found: Vec<Option<PathBuf>> = Vec::new();
    for folder in shards {
        let identity = Identity::read(folder)?;
        let Some((identity, shard)) = identity.and_then(|identity| identity.shard.map(|shard| (identity, shard)))
        else {
            return Err(refuse(folder, format!("is not the folder of a shard: it has no {MARKER} that says so")));
        };
        let (of, first_shard) = first.get_or_insert_with(|| (identity.clone(), shard));
        if let Some((what, ours, theirs)) = of.difference(&identity) {
            return Err(refuse(folder, format!("is of another job, in which {what} is {theirs}, and not {ours}")));
        }
        if shard.count != first_shard.count {
            return Err(refuse(
                folder,
                format!("is one of {} shards, and others are of {}", shard.count, first_shard.count),
            ));
        }
        found.resize(shard.count, None);
        if let Some(other) = found[shard.index].replace(folder.clone()) {
            return Err(refuse(
                folder,
                format!("is shard {}, as {} is; expected each once", shard.index, other.display()),
            ));
        }
    }
    let Some((identity, _)) = first else {
        return Err(Error::new(Code::InvalidArgument, "no shards are given; expected the folders of all"));
    };
    let missing: Vec<usize> = (0..found.len()).filter(|&index| found[index].is_none()).collect();
    if !missing.is_empty() {
        let message = format!("of {} shards, {missing:?} are missing; give the folders of all", found.len());
        return Err(Error::new(Code::InvalidArgument, message).with("missing", missing));
    }
    let open = |folder: PathBuf| {
        let path = folder.join(REPORTS);
        LineReader::open(&path).map(|lines| ShardReader { lines, path })
    };
    Ok((identity.rows, found.into_iter().flatten().map(open).collect::<Result<_>>()?))
}

/// Writes the lines of all rows. The inner result is the writer's.
fn copy(
    rows: usize,
    shards: &mut [ShardReader],
    written: &mut Written,
    write: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<std::io::Result<()>> {
    let count = shards.len();
    for expected in 1..=rows {
        let ShardReader { lines, path } = &mut shards[(expected - 1) % count];
        let Some(line) = lines.next()? else {
            let message =
                format!("ends before row {expected} of {rows}; the shard is not finished: call its batch again");
            return Err(Error::new(Code::Io, message).with("row", expected).in_file(path));
        };
        let row = line.row(path)?;
        if row.number != expected {
            let message = format!("line {} is of row {}; expected row {expected}", line.number, row.number);
            return Err(Error::new(Code::Io, message).with("row", expected).in_file(path));
        }
        written.count(row.is_report);
        if let Err(err) = write(line.text.as_bytes()) {
            return Ok(Err(err));
        }
    }
    for ShardReader { lines, path } in shards {
        if let Some(line) = lines.next()? {
            let message = format!("line {} comes after the last row of {rows}", line.number);
            return Err(Error::new(Code::Io, message).in_file(path));
        }
    }
    Ok(Ok(()))
}
