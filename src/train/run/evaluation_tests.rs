//! What is measured after training: losses, perplexities, copies.

use super::tests::{csv, model, options};
use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions, Strata};
use crate::error::Code;
use crate::evaluate::{EvaluateOptions, evaluate};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::train::batches::planned_runs;
use crate::train::{TrainOptions, train};
use serde_json::Value;
use std::path::Path;

fn dataset(rows: usize) -> Dataset {
    let dir = tempfile::tempdir().unwrap();
    Dataset::open_csv(&csv(dir.path(), rows), &DatasetOptions::default(), &mut Monitor::none()).unwrap()
}

#[test]
fn base_and_adapter_are_compared_on_the_rows_held_out() {
    let summary = train(&model(), &dataset(24), &options(), &mut Monitor::none()).unwrap().summary;
    let evaluation = &summary["evaluation"];
    assert_eq!(evaluation["rows"], summary["validation_rows"]);
    assert_eq!(evaluation["base"]["loss"], summary["base_validation_loss"]);
    assert_eq!(evaluation["adapter"]["loss"], summary["validation_loss"]);
    for who in ["base", "adapter"] {
        let figure = |name: &str| evaluation[who][name].as_f64().unwrap();
        assert!((figure("perplexity").ln() - figure("loss")).abs() < 1e-9, "{evaluation}");
    }
}

#[test]
fn evaluate_measures_any_dataset_with_any_stack() {
    let (model, dataset, none) = (model(), dataset(24), &mut Monitor::none());
    let adapter = train(&model, &dataset, &options(), none).unwrap().adapter;
    let of = |value: &Value, who: &str| value[who]["loss"].as_f64().unwrap();
    let base = evaluate(&model, &[], &dataset, None, &EvaluateOptions::default(), none).unwrap();
    assert_eq!(base["adapter"], Value::Null);
    assert_eq!(base["rows"], 24);
    let trained = evaluate(&model, &[(&adapter, 1.0)], &dataset, None, &EvaluateOptions::default(), none).unwrap();
    assert_eq!(of(&trained, "base"), of(&base, "base"));
    assert!(of(&trained, "adapter") < of(&trained, "base"), "{trained}");
    let off = evaluate(&model, &[(&adapter, 0.0)], &dataset, None, &EvaluateOptions::default(), none).unwrap();
    assert!((of(&off, "adapter") - of(&off, "base")).abs() < 1e-6, "{off}");
    let twice_half =
        evaluate(&model, &[(&adapter, 0.5), (&adapter, 0.5)], &dataset, None, &EvaluateOptions::default(), none)
            .unwrap();
    assert!((of(&twice_half, "adapter") - of(&trained, "adapter")).abs() < 1e-5, "{twice_half} {trained}");

    assert_eq!(trained["memorisation"], Value::Null, "the training rows were not given");
    let few = EvaluateOptions { memorisation_samples: 2, ..Default::default() };
    let copies = evaluate(&model, &[(&adapter, 1.0)], &dataset, Some(&dataset), &few, none).unwrap();
    assert_eq!(copies["memorisation"]["outputs"], 2, "{copies}");

    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/models/tailora-tiny");
    let other = LanguageModel::load(&other, &ModelOptions::default(), none).unwrap();
    let err = evaluate(&other, &[(&adapter, 1.0)], &dataset, None, &EvaluateOptions::default(), none).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    let err = evaluate(&model, &[(&adapter, f64::NAN)], &dataset, None, &EvaluateOptions::default(), none).unwrap_err();
    assert_eq!(err.code(), Code::InvalidArgument, "{err}");
    let mut stop = |event: &Progress| match event.phase {
        Phase::Validate => Control::Stop,
        _ => Control::Continue,
    };
    let monitor = &mut Monitor::new(&Cancel::new(), Some(&mut stop));
    assert_eq!(
        evaluate(&model, &[], &dataset, None, &EvaluateOptions::default(), monitor).unwrap_err().code(),
        Code::Cancelled
    );
}

const SENTENCE: &str = "leads two teams; promote in spring";

/// Trains on rows that all have one answer; the true answers of the rows held out are `unseen`.
fn memorisation(unseen: &str, share: f64) -> Value {
    let options = TrainOptions {
        num_train_epochs: 30.0,
        validation_share: share,
        early_stopping_patience: 0,
        memorisation_samples: 3,
        ..options()
    };
    let rows = 12;
    let held_out = planned_runs(&Strata::none(rows), &options).remove(0).validation_rows;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    let line = |row| format!("q{row},{}\n", if held_out.contains(&row) { unseen } else { SENTENCE });
    std::fs::write(&path, "input,output\n".to_owned() + &(0..rows).map(line).collect::<String>()).unwrap();
    let dataset = Dataset::open_csv(&path, &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    let mut summary = train(&model(), &dataset, &options, &mut Monitor::none()).unwrap().summary;
    summary["memorisation"].take()
}

#[test]
fn a_model_that_copies_its_samples_is_said_so() {
    // One letter off: so the loss of the unseen answer falls while the sentence is learnt, and the best step has it.
    let copies = memorisation("leads two teams; promote in sprinx", 0.25);
    let longest = copies["longest_overlap_chars"].as_u64().unwrap();
    assert_eq!(longest as usize, SENTENCE.chars().count(), "{copies}");
    assert_eq!((&copies["copied"], &copies["copied_outputs"]), (&true.into(), &3.into()), "{copies}");
    assert_eq!(copies["reference_overlap_chars"], SENTENCE.len() - 1);
    assert_eq!((&copies["outputs"], &copies["note"]), (&3.into(), &Value::Null));
}

#[test]
fn answers_that_are_all_the_same_are_no_copies() {
    let usual = memorisation(SENTENCE, 0.25);
    assert_eq!(usual["longest_overlap_chars"], usual["reference_overlap_chars"], "{usual}");
    assert_eq!(usual["copied"], false, "{usual}");
}

#[test]
fn without_rows_held_out_training_inputs_are_asked_and_it_is_noted() {
    let seen = memorisation(SENTENCE, 0.0);
    assert_eq!(seen["outputs"], 3);
    assert!(seen["note"].as_str().unwrap().contains("training inputs"), "{seen}");
}

#[test]
fn a_host_that_stops_the_last_measure_still_gets_the_adapter() {
    let options = TrainOptions { memorisation_samples: 2, ..options() };
    let mut validations = 0;
    let mut stop = |event: &Progress| {
        validations += u32::from(event.phase == Phase::Validate);
        if event.phase == Phase::Validate && validations == 4 { Control::Stop } else { Control::Continue }
    };
    let outcome = train(&model(), &dataset(24), &options, &mut Monitor::new(&Cancel::new(), Some(&mut stop))).unwrap();
    assert_eq!(validations, 4, "three epochs, then the answers");
    assert_eq!(outcome.summary["stop_reason"], "completed");
    assert_eq!(outcome.summary["memorisation"], Value::Null);
}
