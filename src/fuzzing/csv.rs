//! CSV files: bytes, under every encoding that may be asked for, and with a delimiter that the first byte chooses.

use super::check;
use crate::dataset::{Dataset, DatasetOptions, EmptyRows, Encoding};
use std::path::Path;

pub(super) fn run(bytes: &[u8]) {
    let (choice, bytes) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    for encoding in [Encoding::Auto, Encoding::Utf8, Encoding::Gb18030] {
        let options = DatasetOptions {
            encoding,
            delimiter: [",", ";", "\t", "|"][choice % 4].to_owned(),
            empty_rows: [EmptyRows::Error, EmptyRows::Skip][choice / 4 % 2],
            ..DatasetOptions::default()
        };
        if let Some(dataset) = check(Dataset::of_bytes(Path::new("rows.csv"), bytes.to_vec(), &options)) {
            assert!(!dataset.rows().is_empty());
            assert!(dataset.rows().iter().all(|row| !row.input.trim().is_empty() && !row.output.trim().is_empty()));
            dataset.info();
        }
    }
}
