//! What a host asks of a batch.

use crate::dataset::Encoding;
use crate::error::Result;
use crate::fields::members;
use crate::options::{Options, invalid};
use crate::report::ReportOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The form of a file of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseFormat {
    /// JSON Lines if the file's name ends in `.jsonl` or `.ndjson`, else CSV.
    #[default]
    Auto,
    /// A CSV with a header.
    Csv,
    /// One JSON object on each line.
    Jsonl,
}

/// As the range of `count` says.
pub(super) const MOST_SHARDS: usize = 10_000;

/// A part of a job, for several processes or machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shard {
    /// From 0, below `count`.
    #[schemars(range(min = 0, max = 9999))]
    pub index: usize,
    /// Parts in all: row r, counted from 1, is in that with the index (r − 1) mod `count`.
    #[schemars(range(min = 1, max = 10000))]
    pub count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Shard { index: 0, count: 1 }
    }
}

/// How a batch of reports is written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchOptions {
    /// How each report is written and measured. Its `generate.seed` is the job's seed, from which each row has its own: the first 8 bytes, big-endian, of SHA-256 of the job's seed (8 bytes, big-endian) and the row's id in UTF-8.
    pub report: ReportOptions,
    /// The form of the file of cases.
    pub format: CaseFormat,
    /// Name of the column, or JSON key, with the case; null takes all columns but the `id_column` as the fields of the case, empty cells left out.
    pub input_column: Option<String>,
    /// Name of the column, or JSON key, that says whose row it is; no two rows have the same. Null takes the row's number, so that a row has other draws in another place.
    pub id_column: Option<String>,
    /// In what encoding the file is.
    pub encoding: Encoding,
    /// The character between the fields of a CSV, as a dataset's.
    pub delimiter: String,
    /// Reports that are written at the same time, which share the reading of the weights; each takes memory for its context. Null means 8 on a CPU and 32 on a GPU. The reports are the same whatever it is, but for last digits on a GPU.
    #[schemars(range(min = 1, max = 256))]
    pub parallel: Option<usize>,
    /// The part of the rows that this call writes; null means all.
    pub shard: Option<Shard>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            report: ReportOptions::default(),
            format: CaseFormat::Auto,
            input_column: Some("input".to_owned()),
            id_column: None,
            encoding: Encoding::Auto,
            delimiter: ",".to_owned(),
            parallel: None,
            shard: None,
        }
    }
}

impl BatchOptions {
    /// Whether this call writes the row of this number.
    pub(super) fn takes(&self, row: usize) -> bool {
        self.shard.is_none_or(|shard| (row - 1) % shard.count == shard.index)
    }
}

impl Options for BatchOptions {
    const NAME: &'static str = "batch";

    fn check_text(text: &str) -> Result<()> {
        let text = text.trim();
        let named = |name: &str| name == "\"report\"";
        let report = members(text).find(|(name, _)| named(&text[name.clone()]));
        report.map_or(Ok(()), |(_, report)| ReportOptions::check_text(&text[report]))
    }

    fn check(&self) -> Result<()> {
        for (option, name) in [("input_column", &self.input_column), ("id_column", &self.id_column)] {
            if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
                return Err(invalid(option, "empty", "the name of a column, or null"));
            }
        }
        if self.id_column.is_some() && self.id_column == self.input_column {
            return Err(invalid("id_column", "that of the case", "another column, or null"));
        }
        if let Some(Shard { index, count }) = self.shard
            && index >= count
        {
            return Err(invalid("shard.index", index, &format!("less than `shard.count`, which is {count}")));
        }
        self.report.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;

    #[test]
    fn contradictions_are_named() {
        for (json, name) in [
            (r#"{"input_column":" "}"#, "input_column"),
            (r#"{"id_column":""}"#, "id_column"),
            (r#"{"id_column":"input"}"#, "id_column"),
            (r#"{"shard":{"index":2,"count":2}}"#, "shard.index"),
            (r#"{"shard":{"count":0}}"#, "shard.count"),
            (r#"{"parallel":0}"#, "parallel"),
            (r#"{"report":{"generate":{"n":2}}}"#, "generate.n"),
            (r#"{"parallel":1,"report":{"schema":{"maximum":18446744073709551617}}}"#, "schema"),
        ] {
            let err = parse::<BatchOptions>(Some(json)).map(drop).unwrap_err();
            assert_eq!(
                err.details().get("option").and_then(|option| option.as_str()).unwrap_or(""),
                name,
                "{json}: {err}"
            );
        }
    }
}
