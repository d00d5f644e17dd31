//! What a host says about a CSV.

use super::separator;
use crate::error::Result;
use crate::options::{Options, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a CSV is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetOptions {
    /// Name of the column with what the model is given.
    pub input_column: String,
    /// Name of the column with what the model is to answer.
    pub output_column: String,
    /// Name of the column that says whose row it is, a personnel number for example. Adapters keep the ids as salted hashes, so that they answer whether a person's rows are in them.
    pub id_column: Option<String>,
    /// Leave out the rows of these ids, as they stand in the `id_column`.
    pub exclude_ids: Vec<String>,
    /// Name of a column by which rows are grouped, such as a job level: validation rows are then drawn from each group in proportion, and labels that mean opposite things in two groups are a finding.
    pub group_by: Option<String>,
    /// Read only the rows of this group of `group_by`, for an adapter of its own.
    pub group: Option<String>,
    /// Name of a column that says which rows are for training (`train`) and which for validation (`validation`, `val`, `dev`, `test`, `eval`); training then holds out the latter. In Chinese: `训练`; `验证`, `测试`.
    pub split_column: Option<String>,
    /// Write a repaired copy of the file here, in UTF-8; only what cannot change the meaning is repaired: rows that are alike in every column, text that was read in a wrong encoding and can be read back without loss, invisible characters, and blanks at the ends of fields. The dataset itself stays as the file is.
    pub repaired_copy: Option<PathBuf>,
    /// Role prompt that goes before every input, as the system turn of the model's chat template.
    pub system: Option<String>,
    /// Other wordings of the role prompt, which rows take in turn with `system` (an empty one means none): an adapter that was trained under several depends less on how its user words it.
    pub system_variants: Vec<String>,
    /// In what encoding the file is.
    pub encoding: Encoding,
    /// The character between fields: `,`, `;`, `|` or a tab, for example. A first line `sep=;` in the file stands instead, and so does the tab in UTF-16.
    pub delimiter: String,
    /// Read only the first rows, at most this many.
    #[schemars(range(min = 1))]
    pub max_rows: Option<usize>,
    /// What to do with rows whose input or output is empty.
    pub empty_rows: EmptyRows,
    /// What to do with rows that have more tokens than fit.
    pub long_rows: LongRows,
    /// Tokens per row at most, where training or evaluation allow more. Previews go by it too; null there means 1024.
    #[schemars(range(min = 8))]
    pub max_length: Option<usize>,
}

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8 if the whole file is valid, UTF-16 if it begins so, else GB18030 if it looks so.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// UTF-8, with or without BOM.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB18030, which contains GBK and GB 2312.
    #[serde(rename = "gb18030")]
    Gb18030,
}

/// Rows without an input or an output (white space counts as nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyRows {
    /// The file is refused.
    #[default]
    Error,
    /// They are left out and reported as findings.
    Skip,
}

/// Rows with more tokens than the training's `max_length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongRows {
    /// Training is refused, naming the rows.
    #[default]
    Error,
    /// They are left out and reported.
    Skip,
    /// They are cut and reported: first the middle of the input, down to a quarter of the tokens that fit, then the end of
    /// the output, which is then trained without the token that ends an answer.
    Truncate,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        DatasetOptions {
            input_column: "input".to_owned(),
            output_column: "output".to_owned(),
            id_column: None,
            exclude_ids: Vec::new(),
            group_by: None,
            group: None,
            split_column: None,
            repaired_copy: None,
            system: None,
            system_variants: Vec::new(),
            encoding: Encoding::Auto,
            delimiter: ",".to_owned(),
            max_rows: None,
            empty_rows: EmptyRows::Error,
            long_rows: LongRows::Error,
            max_length: None,
        }
    }
}

impl Options for DatasetOptions {
    const NAME: &'static str = "dataset";

    fn check(&self) -> Result<()> {
        separator::of_option(&self.delimiter)?;
        let columns = [("input_column", &self.input_column), ("output_column", &self.output_column)];
        let id_column = self.id_column.iter().map(|name| ("id_column", name));
        for (option, name) in columns.into_iter().chain(id_column) {
            if name.trim().is_empty() {
                return Err(invalid(option, "empty", "the name of a column"));
            }
        }
        if self.input_column.trim() == self.output_column.trim() {
            return Err(invalid(
                "output_column",
                format!("`{}`, as `input_column` is", self.output_column),
                "another column",
            ));
        }
        if !self.exclude_ids.is_empty() && self.id_column.is_none() {
            return Err(invalid("exclude_ids", "given without `id_column`", "the column that has the ids, too"));
        }
        let columns = [("group_by", &self.group_by), ("split_column", &self.split_column)];
        for (option, name) in columns.into_iter().filter_map(|(option, name)| Some((option, name.as_deref()?.trim()))) {
            if name.is_empty() {
                return Err(invalid(option, "empty", "the name of a column, or null"));
            }
            if name == self.input_column.trim() || name == self.output_column.trim() {
                return Err(invalid(option, format!("`{name}`, the input or the output"), "another column"));
            }
        }
        if self.group.is_some() && self.group_by.is_none() {
            return Err(invalid("group", "given without `group_by`", "the column that says each row's group, too"));
        }
        if self.repaired_copy.is_some() && self.max_rows.is_some() {
            return Err(invalid(
                "repaired_copy",
                "given together with `max_rows`",
                "one of the two: a copy has all rows",
            ));
        }
        Ok(())
    }
}
