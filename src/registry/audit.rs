//! The audit: a line for each report, which says what wrote it and when, and about whom only as a salted hash.

use super::{AUDIT, Registry};
use crate::dataset::clean_id;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::append::AppendFile;
use crate::files::{is_there, open_regular};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};

/// What is said of a report.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// Whom it is about; kept as a hash.
    pub id: &'a str,
    /// The version that wrote it.
    pub version: &'a str,
    /// The alias by which the version was found.
    pub alias: Option<&'a str>,
    /// The seed of its generation.
    pub seed: u64,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// RFC 3339.
    pub time: String,
    /// SHA-256 of the registry's salt, a zero byte and the id: its first 16 bytes, hex.
    pub id_hash: String,
    /// The version that wrote the report.
    pub version: String,
    /// The alias by which the version was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The seed of its generation.
    pub seed: u64,
}

/// No line is as long.
const MAX_LINE: u64 = 1 << 16;

impl Registry {
    /// Adds a line to the audit. When this returns, the line is on the disk. Of a line that a killed process left half-
    /// written, which it was never told was there, nothing stays.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such version. `Io`, `Busy`.
    pub fn audit(&self, entry: &AuditEntry<'_>) -> Result<()> {
        self.version_path(entry.version)?;
        let line = AuditLine {
            time: jiff::Timestamp::now().to_string(),
            id_hash: self.salt.short_hash(&clean_id(entry.id)),
            version: entry.version.to_owned(),
            alias: entry.alias.map(str::to_owned),
            seed: entry.seed,
        };
        let mut line = serde_json::to_string(&line).map_err(|err| {
            Error::new(Code::Internal, format!("a line of the audit cannot be written as JSON: {err}"))
        })?;
        line.push('\n');
        let _lock = self.lock()?;
        let mut file = AppendFile::open(&self.path.join(AUDIT))?;
        file.drop_half_a_line()?;
        file.add(line.as_bytes())?;
        file.sync()
    }

    /// The audit's lines about a person, the oldest first.
    pub fn audited(&self, id: &str) -> Result<Vec<AuditLine>> {
        let path = self.path.join(AUDIT);
        if !is_there(&path)? {
            return Ok(Vec::new());
        }
        let hash = self.salt.short_hash(&clean_id(id));
        let mut file = BufReader::new(open_regular(&path)?);
        let (mut found, mut text, mut number) = (Vec::new(), String::new(), 0);
        loop {
            text.clear();
            number += 1;
            (&mut file).take(MAX_LINE).read_line(&mut text).at("read", &path)?;
            // One that is being written, or was when its process was killed.
            if !text.ends_with('\n') && (text.len() as u64) < MAX_LINE {
                return Ok(found);
            }
            let line: AuditLine = serde_json::from_str(&text).map_err(|err| {
                Error::new(Code::Io, format!("line {number} is no line of an audit: {err}"))
                    .with("line", number)
                    .in_file(&path)
            })?;
            if line.id_hash == hash {
                found.push(line);
            }
        }
    }
}
