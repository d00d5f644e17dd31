//! What training learns about its adapter's reliability, on a small random model.

use super::tests::{model, options};
use crate::adapter::Adapter;
use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions};
use crate::train::{TrainOptions, TrainOutcome, train};
use std::time::Duration;

/// Rows of fields; of the answers' two conclusions, the first is the same for all.
fn dataset(rows: usize) -> Dataset {
    let mut text = "input,output\n".to_owned();
    for row in 0..rows {
        text += &format!("\"name:n{row},grade:{}\",good. in 30 days.\n", ["A", "B"][row % 2]);
    }
    Dataset::of_bytes("rows.csv".as_ref(), text.into_bytes(), &DatasetOptions::default()).unwrap()
}

fn run(options: &TrainOptions, rows: usize, monitor: &mut Monitor<'_>) -> TrainOutcome {
    train(&model(), &dataset(rows), options, monitor).unwrap()
}

fn calibrating() -> TrainOptions {
    TrainOptions { calibration_rows: 100, num_train_epochs: 30.0, epoch_doublings: 0, ..options() }
}

#[test]
fn folds_calibrate_on_every_row_and_the_adapter_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let folds = TrainOptions { validation_folds: Some(2), output_dir: Some(dir.path().to_owned()), ..calibrating() };
    let mut calibrated = 0;
    let mut times_to_the_end = Vec::new();
    let mut watch = |event: &Progress| {
        if event.phase == Phase::Calibrate {
            calibrated += 1;
            times_to_the_end.push(event.eta);
        }
        Control::Continue
    };
    let outcome = run(&folds, 12, &mut Monitor::new(&Cancel::new(), Some(&mut watch)));
    // Six rows of each fold; how long one takes is not known at the first.
    let known = |eta: &Option<Duration>| eta.is_some_and(|eta| eta > Duration::ZERO);
    for (at, eta) in times_to_the_end.iter().enumerate() {
        assert_eq!(known(eta), at % 6 > 0, "{times_to_the_end:?}");
    }
    let found = &outcome.summary["calibration"];
    assert_eq!((calibrated, &found["rows"], &found["kind"]), (12, &12.into(), &"band".into()), "{found}");
    assert!(found["conclusions"].as_u64().unwrap() >= 12 && found["right"].as_u64() > Some(0), "{found}");
    assert_eq!(found["places"][0]["begins"], "good.");
    let manifest = outcome.adapter.manifest();
    manifest.calibration.as_ref().unwrap().check().unwrap();
    let names: Vec<&str> = manifest.learnt.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["name", "grade"]);
    assert!(manifest.learnt.fields[0].values.is_empty(), "no name is kept");
    assert_eq!(
        (&manifest.learnt.fields[1].values[..], &manifest.learnt.numbers[..]),
        (&["A".to_owned(), "B".to_owned()][..], &["30".to_owned()][..])
    );
    let path = outcome.summary["adapter_path"].as_str().unwrap();
    let loaded = Adapter::load(path.as_ref(), model().adapter_base().unwrap()).unwrap();
    assert_eq!(loaded.manifest().calibration, manifest.calibration);
    for file in ["summary.html", "reliability.svg"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn held_out_rows_calibrate_without_folds_and_zero_leaves_it_out() {
    let outcome = run(&TrainOptions { validation_share: 0.5, ..calibrating() }, 12, &mut Monitor::none());
    assert_eq!(outcome.summary["calibration"]["rows"], 6, "{}", outcome.summary);
    let few =
        run(&TrainOptions { validation_share: 0.5, calibration_rows: 3, ..calibrating() }, 12, &mut Monitor::none());
    assert_eq!(few.summary["calibration"]["rows"], 3);
    assert_eq!(few.adapter.sha256(), outcome.adapter.sha256(), "it changes nothing in the adapter itself");
    for off in
        [TrainOptions { calibration_rows: 0, ..calibrating() }, TrainOptions { validation_share: 0.0, ..calibrating() }]
    {
        let outcome = run(&off, 12, &mut Monitor::none());
        assert!(outcome.summary["calibration"].is_null() && outcome.adapter.manifest().calibration.is_none());
        assert_eq!(outcome.adapter.manifest().learnt.fields.len(), 2);
    }
}
