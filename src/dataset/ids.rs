//! Whose rows are whose, and which are left out because a person asked for it.

use super::header;
use std::collections::{BTreeMap, BTreeSet};

/// An id as it counts: without white space around it, and without characters that nobody sees.
pub(crate) fn clean_id(id: &str) -> String {
    header::clean(id)
}

/// The ids whose rows are left out, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Excluded {
    /// Each id with the number of its rows.
    rows: BTreeMap<String, usize>,
}

impl Excluded {
    pub fn new(ids: &[String]) -> Self {
        Excluded { rows: ids.iter().map(|id| (clean_id(id), 0)).collect() }
    }

    /// Whether a row of this id is left out; it is counted then.
    pub fn takes(&mut self, id: &str) -> bool {
        let rows = self.rows.get_mut(id);
        rows.map(|rows| *rows += 1).is_some()
    }

    /// Rows that were left out.
    pub fn rows(&self) -> usize {
        self.rows.values().sum()
    }

    /// Ids that no row has: a person who was never in, or a slip of the pen.
    pub fn not_found(&self) -> BTreeSet<&str> {
        self.rows.iter().filter(|(_, rows)| **rows == 0).map(|(id, _)| id.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, DatasetOptions};
    use crate::error::{Code, Result};
    use crate::options::from_value;
    use serde_json::{Value, json};
    use std::path::Path;

    fn open(csv: &str, options: Value) -> Result<Dataset> {
        Dataset::of_bytes(Path::new("rows.csv"), csv.as_bytes().to_vec(), &from_value::<DatasetOptions>(options)?)
    }

    #[test]
    fn rows_of_excluded_ids_are_left_out_whatever_else_is_in_them() {
        let csv = "工号,input,output\n E1 ,a,b\nE2,c,d\n\u{feff}E1,,\nE3,e,f\n";
        let dataset = open(csv, json!({"id_column": "工号", "exclude_ids": ["E1 ", "E9", "e2"]})).unwrap();
        let rows: Vec<_> = dataset.rows().iter().map(|row| (row.number, row.id.as_deref().unwrap())).collect();
        assert_eq!(rows, [(2, "E2"), (4, "E3")]);
        assert_eq!((dataset.id(4), dataset.id(1)), (Some("E3"), None));
        let info = dataset.info();
        assert_eq!(info["excluded_rows"], 2);
        assert_eq!(info["excluded_ids_not_found"], json!(["E9", "e2"]));
    }

    #[test]
    fn an_id_that_is_missing_or_a_column_that_is_not_there_is_an_error() {
        let csv = "id,input,output\nE1,a,b\n\u{200b} ,c,d\n";
        let err = open(csv, json!({"id_column": "id"})).unwrap_err();
        assert_eq!(
            (err.code(), &err.details()["row"], &err.details()["column"]),
            (Code::CsvFormat, &2.into(), &"id".into())
        );
        let err = open(csv, json!({"id_column": "ID"})).unwrap_err();
        assert!(err.message().contains("did you mean `id`"), "{err}");
        let err = open("id,input,output\nE1,a,b\n", json!({"id_column": "id", "exclude_ids": ["E1"]})).unwrap_err();
        assert!(err.message().contains("exclude_ids"), "{err}");
        let err = open(csv, json!({"exclude_ids": ["E1"]})).unwrap_err();
        assert_eq!(err.details()["option"], "exclude_ids");
    }
}
