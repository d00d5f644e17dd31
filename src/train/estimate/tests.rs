//! What is predicted against what then happens.

use super::estimate;
use crate::control::{Cancel, Monitor};
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::Code;
use crate::train::run::tests::{csv, model};
use crate::train::{ByteSize, TrainOptions, train};

fn dataset() -> Dataset {
    let dir = tempfile::tempdir().unwrap();
    Dataset::open_csv(&csv(dir.path(), 30), &DatasetOptions::default(), &mut Monitor::none()).unwrap()
}

/// Nothing ends it early, so all that is predicted happens.
fn options() -> TrainOptions {
    TrainOptions { num_train_epochs: 8.0, early_stopping_patience: 0, ..Default::default() }
}

#[test]
fn steps_and_memory_are_those_of_the_training() {
    let (model, dataset, none) = (model(), dataset(), &mut Monitor::none());
    for folds in [0, 3] {
        let options = TrainOptions { validation_folds: Some(folds), min_steps: Some(12), ..options() };
        let predicted = estimate(&model, Some(&dataset), &options, none).unwrap();
        let summary = train(&model, &dataset, &options, none).unwrap().summary;
        assert_eq!(predicted["rows"], summary["rows"]);
        assert_eq!(predicted["memory"]["peak_bytes"], summary["memory"]["peak_bytes"]);
        assert_eq!(predicted["longest_row"], summary["longest_row"]);
        if folds == 0 {
            assert_eq!(predicted["steps"], summary["total_steps"]);
            assert_eq!(predicted["tokens"], summary["tokens"]);
        }
        let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
        let ratio = seconds(&predicted["time"]["seconds"]) / seconds(&summary["seconds"]);
        // The machine may be doing other things by now; `cargo xtask bench train` measures on a quiet one.
        assert!((0.2..5.0).contains(&ratio), "{ratio}: {predicted} {summary}");
    }
}

#[test]
fn without_a_dataset_the_longest_rows_are_meant() {
    let (model, none) = (model(), &mut Monitor::none());
    let with = estimate(&model, Some(&dataset()), &options(), none).unwrap();
    let without = estimate(&model, None, &options(), none).unwrap();
    assert!(without["memory"]["peak_bytes"].as_u64() > with["memory"]["peak_bytes"].as_u64(), "{without}");
    assert!(without["rows"].is_null() && without["time"]["seconds"].is_null(), "{without}");
    assert!(without["time"]["tokens_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_does_not_fit_is_said_and_not_run() {
    let (model, none) = (model(), &mut Monitor::none());
    let tight = TrainOptions { max_memory: Some(ByteSize::Text("1KiB".into())), ..options() };
    let predicted = estimate(&model, Some(&dataset()), &tight, none).unwrap();
    assert_eq!(predicted["memory"]["fits"], false);
    assert_eq!(predicted["memory"]["max_memory"], 1024);
    assert!(predicted["time"].is_null());
    let cancel = Cancel::new();
    cancel.request();
    let err = estimate(&model, None, &options(), &mut Monitor::new(&cancel, None)).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}
