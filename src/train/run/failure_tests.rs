//! What fails late: errors and panics between two steps, files that cannot be written. The adapter comes back each time.

use super::strike::{STRIKE, Strike};
use super::tests::{model, options, run};
use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::error::{Code, Result};
use crate::train::*;
use serde_json::Value;
use std::path::Path;

fn failing_after(parts: u32, kind: Strike, options: &TrainOptions) -> Result<TrainOutcome> {
    STRIKE.set(Some((parts, kind)));
    let outcome = run(options, 20, &mut Monitor::none());
    assert!(STRIKE.take().is_none(), "the training ended before part {parts}");
    outcome
}

fn notes(summary: &Value) -> String {
    let notes = summary["notes"].as_array().unwrap_or_else(|| panic!("no notes in {summary}"));
    notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Stops a run after a step: what an error there should give as well.
fn stopped_at(step: u64, options: &TrainOptions) -> TrainOutcome {
    let mut stop = |event: &Progress| match event.phase == Phase::Train && event.step == step {
        true => Control::Stop,
        false => Control::Continue,
    };
    run(options, 20, &mut Monitor::new(&Cancel::new(), Some(&mut stop))).unwrap()
}

/// Five steps an epoch, each of two parts (gradients, update), then a validation.
#[test]
fn an_error_after_the_first_step_gives_the_best_adapter_so_far() {
    for kind in [Strike::OutOfMemory, Strike::Panic] {
        for (parts, steps, best) in [(2, 1, 1), (6, 3, 3), (7, 3, 3), (10, 5, 5), (15, 7, 5)] {
            let outcome = failing_after(parts, kind, &options()).unwrap();
            let summary = &outcome.summary;
            assert_eq!(summary["stop_reason"], "failed", "{kind:?} after {parts}: {summary}");
            assert_eq!((&summary["steps"], &summary["best_step"]), (&steps.into(), &best.into()), "{summary}");
            let (code, words) = match kind {
                Strike::OutOfMemory => (Code::OutOfMemory, "no memory for a test"),
                Strike::Panic => (Code::Internal, "a defect for a test"),
            };
            assert_eq!(summary["error"]["code"], code.status());
            assert!(notes(summary).contains(words), "{summary}");
            assert_eq!(outcome.adapter.sha256(), stopped_at(best, &options()).adapter.sha256());
        }
    }
}

#[test]
fn an_error_before_the_first_step_is_an_error() {
    let err = failing_after(0, Strike::OutOfMemory, &options()).unwrap_err();
    assert_eq!(err.code(), Code::OutOfMemory);
    let panic = std::panic::catch_unwind(|| failing_after(1, Strike::Panic, &options()));
    assert!(panic.is_err(), "a panic with nothing to lose goes on to the caller");
}

#[test]
fn an_error_in_a_later_fold_gives_the_best_fold() {
    let folds = TrainOptions { validation_folds: Some(2), num_train_epochs: 2.0, min_steps: Some(0), ..options() };
    // A fold has three steps an epoch and two validations; the refit comes after two of them.
    for parts in [14, 17, 28] {
        let outcome = failing_after(parts, Strike::OutOfMemory, &folds).unwrap();
        let summary = &outcome.summary;
        assert_eq!((&summary["stop_reason"], &summary["refit"]), (&"failed".into(), &false.into()), "{summary}");
        assert_eq!(summary["error"]["code"], Code::OutOfMemory.status());
        assert!(summary["best_step"].as_u64() > Some(0), "{summary}");
    }
}

/// Trains into a new directory; `meddle` does to it what it likes after the fourth step.
fn meddled(
    more: impl FnOnce(TrainOptions) -> TrainOptions,
    meddle: impl Fn(&Path),
) -> (TrainOutcome, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("run");
    let options = TrainOptions { output_dir: Some(target.clone()), checkpoint_steps: 2, ..more(options()) };
    let mut watch = |event: &Progress| {
        if event.phase == Phase::Train && event.step == 4 {
            meddle(&target);
        }
        Control::Continue
    };
    (run(&options, 20, &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap(), dir)
}

#[test]
fn files_that_cannot_be_written_cost_a_note() {
    let expected = run(&options(), 20, &mut Monitor::none()).unwrap();
    assert!(!notes(&expected.summary).contains("written"), "{}", expected.summary);
    // No checkpoint can replace a folder with something in it.
    let block = |dir: &Path| {
        std::fs::remove_file(dir.join("checkpoint.safetensors")).unwrap();
        std::fs::create_dir_all(dir.join("checkpoint.safetensors/full")).unwrap();
    };
    let (outcome, _dir) = meddled(|options| options, block);
    assert_eq!(outcome.adapter.sha256(), expected.adapter.sha256());
    assert!(notes(&outcome.summary).contains("a checkpoint was not written"), "{}", outcome.summary);
    assert!(outcome.summary["adapter_path"].is_string() && outcome.summary["stop_reason"] == "completed");
    let path = std::path::PathBuf::from(outcome.summary["adapter_path"].as_str().unwrap());
    assert_eq!(
        model().load_adapter(&path, &crate::adapter::AdapterOptions::default()).unwrap().sha256(),
        expected.adapter.sha256()
    );

    // No adapter can be saved below a file.
    let (outcome, _dir) = meddled(
        |options| options,
        |dir| {
            std::fs::remove_dir(dir.join("adapters")).unwrap();
            std::fs::write(dir.join("adapters"), "").unwrap();
        },
    );
    assert_eq!(outcome.adapter.sha256(), expected.adapter.sha256());
    assert_eq!(
        (&outcome.summary["adapter_path"], &outcome.summary["stop_reason"]),
        (&Value::Null, &"completed".into())
    );
    assert!(notes(&outcome.summary).contains("in memory only"), "{}", outcome.summary);
    assert_eq!(outcome.summary["version"], outcome.adapter.version());
}

#[test]
fn metrics_that_are_no_file_cost_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let options = TrainOptions { output_dir: Some(dir.path().to_owned()), ..options() };
    run(&options, 20, &mut Monitor::none()).unwrap();
    std::fs::remove_file(dir.path().join("metrics.jsonl")).unwrap();
    std::fs::create_dir(dir.path().join("metrics.jsonl")).unwrap();
    let outcome = run(&options, 20, &mut Monitor::none()).unwrap();
    assert!(notes(&outcome.summary).contains("is not a regular file"), "{}", outcome.summary);
    assert!(outcome.summary["adapter_path"].is_string());
}

#[test]
fn the_models_own_folder_is_refused_before_training() {
    let copy = crate::model::test_support::copy("qwen2");
    let config = std::fs::read(copy.path().join("config.json")).unwrap();
    let mut events = 0;
    let mut count = |event: &Progress| {
        events += u32::from(event.phase == Phase::Train);
        Control::Continue
    };
    let options = TrainOptions { output_dir: Some(copy.path().to_owned()), ..options() };
    let err = run(&options, 20, &mut Monitor::new(&Cancel::new(), Some(&mut count))).unwrap_err();
    assert!(err.code() == Code::Io && err.message().contains("a model"), "{err}");
    assert_eq!(events, 0);
    assert_eq!(std::fs::read(copy.path().join("config.json")).unwrap(), config);
    // A new folder below it harms nothing.
    let below = TrainOptions { output_dir: Some(copy.path().join("runs/1")), ..options };
    assert!(run(&below, 20, &mut Monitor::none()).unwrap().summary["adapter_path"].is_string());
}
