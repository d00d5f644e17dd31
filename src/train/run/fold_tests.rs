//! k-fold validation on a small random model: what the folds decide, and that they can be stopped and resumed anywhere.

use super::tests::{csv, model, run, wild};
use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::Code;
use crate::train::{SchedulerType, TrainOptions};
use serde_json::Value;

const ROWS: usize = 14;

fn options() -> TrainOptions {
    TrainOptions {
        r: 4,
        learning_rate: 1e-2,
        num_train_epochs: 3.0,
        min_steps: Some(0),
        epoch_doublings: 0,
        seed: 5,
        memorisation_samples: 0,
        calibration_rows: 0,
        ..Default::default()
    }
}

fn number(summary: &Value, key: &str) -> f64 {
    summary.pointer(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key} in {summary}"))
}

#[test]
fn every_row_is_held_out_once_and_trained_on_in_the_end() {
    let mut events: Vec<Progress> = Vec::new();
    let mut watch = |event: &Progress| {
        events.push(event.clone());
        Control::Continue
    };
    let outcome = run(&options(), ROWS, &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap();
    let summary = &outcome.summary;
    let folds = summary["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 5, "{summary}");
    let sum = |key: &str| folds.iter().map(|fold| number(fold, key)).sum::<f64>();
    assert_eq!(sum("/validation_rows"), ROWS as f64);
    assert_eq!(sum("/train_rows"), 4.0 * ROWS as f64);
    assert_eq!((&summary["refit"], &summary["stop_reason"]), (&true.into(), &"completed".into()));
    assert_eq!(number(summary, "/train_rows"), ROWS as f64);
    assert_eq!(summary["steps"], summary["best_step"]);
    assert!(number(summary, "/validation_loss") < number(summary, "/base_validation_loss"), "{summary}");
    assert_eq!(number(summary, "/evaluation/adapter/loss"), number(summary, "/validation_loss"));
    assert_eq!(summary["evaluation"]["rows"], ROWS);

    // The tokens are those of all six runs, and so is the progress.
    assert!(number(summary, "/tokens") > 4.0 * number(summary, "/dataset_tokens"), "{summary}");
    let steps: Vec<u64> = events.iter().filter(|event| event.phase == Phase::Train).map(|event| event.step).collect();
    let all = sum("/steps") as u64 + summary["steps"].as_u64().unwrap();
    assert_eq!(steps, (1..=all).collect::<Vec<_>>());
    let work = events.iter().filter(|event| event.phase != Phase::Prepare);
    assert!(work.clone().all(|event| event.step <= event.total_steps));
    let totals: Vec<u64> = work.map(|event| event.total_steps).collect();
    assert!(totals.is_sorted_by(|a, b| a >= b), "the end only comes nearer: {totals:?}");
    assert_eq!(totals.last(), Some(&all));
}

#[test]
fn the_base_loss_over_folds_is_that_of_all_rows() {
    let outcome = run(&options(), ROWS, &mut Monitor::none()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open_csv(&csv(dir.path(), ROWS), &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    let all = crate::evaluate(&model(), &[], &dataset, None, &crate::EvaluateOptions::default(), &mut Monitor::none())
        .unwrap();
    let (folds, all) = (number(&outcome.summary, "/evaluation/base/loss"), number(&all, "/base/loss"));
    assert!((folds - all).abs() < 1e-5, "{folds} {all}");
}

#[test]
fn the_refit_is_a_run_on_all_rows_to_the_best_step() {
    let folded = TrainOptions { lr_scheduler_type: SchedulerType::Constant, warmup_ratio: 0.0, ..options() };
    let outcome = run(&folded, ROWS, &mut Monitor::none()).unwrap();
    let max_steps = outcome.summary["best_step"].as_u64().unwrap();
    let plain = TrainOptions { validation_share: 0.0, max_steps, ..folded };
    let plain = run(&plain, ROWS, &mut Monitor::none()).unwrap();
    assert_eq!(plain.adapter.sha256(), outcome.adapter.sha256());
    assert_eq!(plain.summary["folds"], Value::Null);
    assert_eq!(plain.summary["evaluation"], Value::Null);
}

#[test]
fn a_rate_that_only_harms_ends_the_folds_early_and_the_refit_at_their_best_step() {
    let wild = wild(TrainOptions { validation_folds: Some(3), ..options() });
    let summary = run(&wild, ROWS, &mut Monitor::none()).unwrap().summary;
    let folds = summary["folds"].as_array().unwrap();
    assert!(folds.iter().any(|fold| fold["stop_reason"] == "early_stopping"), "{summary}");
    let shortest = folds.iter().map(|fold| number(fold, "/steps")).fold(f64::INFINITY, f64::min);
    assert!(number(&summary, "/best_step") <= shortest, "{summary}");
}

#[test]
fn a_handful_of_rows_gets_steps_enough() {
    let auto = TrainOptions { min_steps: None, early_stopping_patience: 0, validation_folds: Some(2), ..options() };
    let summary = run(&auto, 6, &mut Monitor::none()).unwrap().summary;
    assert_eq!(summary["total_steps"], 60, "{summary}");
    let held_out = TrainOptions { validation_folds: Some(0), ..auto };
    assert_eq!(run(&held_out, 6, &mut Monitor::none()).unwrap().summary["total_steps"], 6);
}

#[test]
fn stopped_anywhere_the_best_so_far_is_given_out_and_resuming_ends_in_the_same_bits() {
    let whole = TrainOptions { lora_dropout: 0.1, validation_folds: Some(3), ..options() };
    let unbroken = run(&whole, ROWS, &mut Monitor::none()).unwrap();
    let folds = unbroken.summary["folds"].as_array().unwrap();
    let ends: u64 = folds.iter().map(|fold| fold["steps"].as_u64().unwrap()).sum();
    let first = folds[0]["steps"].as_u64().unwrap();
    for stop_at in [1, first - 1, first, first + 1, first + 5, ends, ends + 1] {
        let dir = tempfile::tempdir().unwrap();
        let resumable = TrainOptions {
            output_dir: Some(dir.path().to_owned()),
            checkpoint_steps: 4,
            resume_from_checkpoint: true,
            ..whole.clone()
        };
        let mut stop = |event: &Progress| match event.phase == Phase::Train && event.step == stop_at {
            true => Control::Stop,
            false => Control::Continue,
        };
        let broken = run(&resumable, ROWS, &mut Monitor::new(&Cancel::new(), Some(&mut stop))).unwrap();
        assert_eq!(broken.summary["stop_reason"], "cancelled", "stopped at {stop_at}");
        assert_eq!(broken.summary["refit"], false);
        assert_eq!(broken.summary["evaluation"], Value::Null);
        let mut steps = 0;
        let mut count = |event: &Progress| {
            steps += u64::from(event.phase == Phase::Train);
            Control::Continue
        };
        let resumed = run(&resumable, ROWS, &mut Monitor::new(&Cancel::new(), Some(&mut count))).unwrap();
        assert_eq!(resumed.adapter.sha256(), unbroken.adapter.sha256(), "stopped at {stop_at}");
        for key in ["steps", "best_step", "validation_loss", "tokens", "folds"] {
            assert_eq!(resumed.summary[key], unbroken.summary[key], "{key}, stopped at {stop_at}");
        }
        let all = ends + unbroken.summary["steps"].as_u64().unwrap();
        assert_eq!(steps, all - stop_at, "no step is done twice");
    }
}

#[test]
fn more_epochs_are_added_while_the_loss_falls_and_resuming_ends_in_the_same_bits() {
    let short = TrainOptions { learning_rate: 2e-3, num_train_epochs: 1.0, validation_folds: Some(2), ..options() };
    let longer = TrainOptions { epoch_doublings: 2, ..short.clone() };
    let before = run(&short, ROWS, &mut Monitor::none()).unwrap().summary;
    let unbroken = run(&longer, ROWS, &mut Monitor::none()).unwrap();
    let after = &unbroken.summary;
    assert_eq!((&before["epoch_doublings"], &after["epoch_doublings"]), (&0.into(), &2.into()), "{after}");
    assert_eq!(number(after, "/total_steps"), 4.0 * number(&before, "/total_steps"));
    assert!(number(after, "/validation_loss") < number(&before, "/validation_loss"));
    assert!(before["notes"][0].as_str().unwrap().contains("still falling"), "{before}");
    assert_eq!(
        run(&TrainOptions { max_steps: 4, ..longer.clone() }, ROWS, &mut Monitor::none()).unwrap().summary["total_steps"],
        4
    );

    // Stopped in the second try of the first fold, and in the third.
    let first = number(&before, "/total_steps") as u64;
    for stop_at in [first + 1, 3 * first + 2] {
        let dir = tempfile::tempdir().unwrap();
        let resumable = TrainOptions {
            output_dir: Some(dir.path().to_owned()),
            checkpoint_steps: 1,
            resume_from_checkpoint: true,
            ..longer.clone()
        };
        let mut stop = |event: &Progress| match event.phase == Phase::Train && event.step == stop_at {
            true => Control::Stop,
            false => Control::Continue,
        };
        let broken = run(&resumable, ROWS, &mut Monitor::new(&Cancel::new(), Some(&mut stop))).unwrap();
        assert_eq!(broken.summary["stop_reason"], "cancelled", "stopped at {stop_at}");
        let resumed = run(&resumable, ROWS, &mut Monitor::none()).unwrap();
        assert_eq!(resumed.adapter.sha256(), unbroken.adapter.sha256(), "stopped at {stop_at}");
    }
}

#[test]
fn cancelled_before_the_first_step_is_an_error() {
    let cancel = Cancel::new();
    cancel.request();
    assert_eq!(run(&options(), ROWS, &mut Monitor::new(&cancel, None)).unwrap_err().code(), Code::Cancelled);
}

#[test]
fn figures_of_folds_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let options = TrainOptions { output_dir: Some(dir.path().to_owned()), validation_folds: Some(2), ..options() };
    let summary = run(&options, ROWS, &mut Monitor::none()).unwrap().summary;
    let metrics = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count() as u64;
    assert_eq!(Some(of("train")), summary["steps"].as_u64());
    assert_eq!(Some(of("fold-2/train")), summary["folds"][1]["steps"].as_u64());
    let curve: Vec<f64> =
        lines.iter().filter(|line| line["kind"] == "validation").map(|line| number(line, "/loss")).collect();
    let lowest = curve.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(lowest, number(&summary, "/validation_loss"), "{curve:?}");
}
