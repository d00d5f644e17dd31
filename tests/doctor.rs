//! The data doctor on files of which it is known what is wrong with them: 200 with a planted defect each, and clean ones.

#[path = "doctor/defects.rs"]
mod defects;
#[path = "doctor/rows.rs"]
mod rows;

use serde_json::{Value, json};
use std::path::Path;
use tailora::{Dataset, DatasetOptions, Monitor, options};

fn open(path: &Path, options: &str) -> Dataset {
    let options: DatasetOptions = options::parse(Some(options)).unwrap();
    Dataset::open_csv(path, &options, &mut Monitor::none()).unwrap()
}

fn examine(csv: &[u8], options: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    std::fs::write(&path, csv).unwrap();
    open(&path, options).info()
}

fn findings(info: &Value) -> &[Value] {
    info["findings"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn every_planted_defect_is_found() {
    let mut missed = Vec::new();
    for defects::Planted { name, table, options, kinds, row } in defects::corpus(200) {
        let info = examine(&table.to_csv(), options);
        let is_found = |finding: &&Value| {
            let rows = finding["rows"].as_array().unwrap();
            kinds.iter().any(|kind| finding["kind"] == *kind) && (row == 0 || rows.contains(&json!(row)))
        };
        match findings(&info).iter().find(is_found) {
            Some(finding) => {
                assert!(!finding["remedy"].as_str().unwrap().is_empty() && finding["severity"].is_string())
            }
            None => missed.push(format!(
                "{name}: row {row} {:?}, found {}",
                table.rows.get(row.max(1) - 1),
                info["finding_counts"]
            )),
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn nothing_is_found_in_clean_files() {
    for index in 0..35 {
        let table = rows::table(index, 30 + 10 * (index % 5), &mut rows::rng(index as u64));
        let info = examine(&table.to_csv(), "{}");
        assert_eq!(info["finding_counts"], json!({}), "style {}: {:#}", index % rows::STYLES, info["findings"]);
    }
    for seed in 0..10 {
        let mut table = rows::table([0, 4, 1][seed % 3], 90, &mut rows::rng(70 + seed as u64));
        table.header.push("group");
        for (index, row) in table.rows.iter_mut().enumerate() {
            row.push(["甲", "乙", "丙"][index * 7 % 3].to_owned());
        }
        let info = examine(&table.to_csv(), r#"{"group_by":"group"}"#);
        assert_eq!(info["finding_counts"], json!({}), "{:#}", info["findings"]);
        assert_eq!(info["groups"], json!({"甲": 30, "乙": 30, "丙": 30}));
    }
}
