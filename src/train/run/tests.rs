//! Whole runs on a small random model: what is kept, what repeats, what stops them. Folds have tests of their own.

use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::{Code, Result};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::train::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) fn model() -> LanguageModel {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    LanguageModel::load(&dir, &ModelOptions { threads: 2, ..ModelOptions::of_tests() }, &mut Monitor::none()).unwrap()
}

/// Rows that a tiny model can learn: the answer repeats the question.
pub(crate) fn csv(dir: &Path, rows: usize) -> PathBuf {
    let mut text = "input,output\n".to_owned();
    for i in 0..rows {
        text.push_str(&format!("q{i},a{} ok\n", i % 3));
    }
    let path = dir.join("rows.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// One run, with rows held out for good and nothing generated after it.
pub(crate) fn options() -> TrainOptions {
    TrainOptions {
        r: 4,
        learning_rate: 1e-2,
        num_train_epochs: 3.0,
        seed: 5,
        validation_folds: Some(0),
        memorisation_samples: 0,
        calibration_rows: 0,
        ..Default::default()
    }
}

/// The same at a rate that only harms.
pub(crate) fn wild(options: TrainOptions) -> TrainOptions {
    TrainOptions {
        learning_rate: 5.0,
        num_train_epochs: 40.0,
        early_stopping_patience: 2,
        warmup_ratio: 0.0,
        max_grad_norm: 0.0,
        ..options
    }
}

pub(crate) fn run(options: &TrainOptions, rows: usize, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open_csv(&csv(dir.path(), rows), &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    train(&model(), &dataset, options, monitor)
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let options = TrainOptions { lora_dropout: 0.2, gradient_accumulation_steps: 2, ..options() };
    let sha = |options: &TrainOptions| run(options, 20, &mut Monitor::none()).unwrap().adapter.sha256().to_owned();
    assert_eq!(sha(&options), sha(&options));
    assert_ne!(sha(&options), sha(&TrainOptions { seed: 6, ..options.clone() }));
}

#[test]
fn training_lowers_the_validation_loss_and_keeps_the_best() {
    let outcome = run(&TrainOptions { num_train_epochs: 12.0, ..options() }, 24, &mut Monitor::none()).unwrap();
    let summary = &outcome.summary;
    let number = |key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key} in {summary}"));
    assert!(number("validation_loss") < 0.8 * number("base_validation_loss"), "{summary}");
    assert_eq!(number("train_rows") + number("validation_rows"), 24.0);
    assert!(number("best_step") <= number("steps"));
    assert!(outcome.adapter.version().contains("-n24-r4-"), "{}", outcome.adapter.version());
}

#[test]
fn a_rate_that_only_harms_ends_early_with_the_best_step() {
    let outcome = run(&wild(options()), 20, &mut Monitor::none()).unwrap();
    assert_eq!(outcome.summary["stop_reason"], "early_stopping", "{}", outcome.summary);
    assert!(outcome.summary["steps"].as_u64() < outcome.summary["total_steps"].as_u64());
}

#[test]
fn a_loss_that_stays_not_finite_is_given_up_with_a_reason() {
    let absurd = TrainOptions {
        learning_rate: 10.0,
        lora_alpha: 1e6,
        loraplus_lr_ratio: Some(1e4),
        max_grad_norm: 0.0,
        warmup_ratio: 0.0,
        num_train_epochs: 100.0,
        validation_share: 0.0,
        adam_beta2: 0.0,
        ..options()
    };
    // Either the numbers run away and the error says so, or they survive all steps; never a silent NaN adapter.
    match run(&absurd, 12, &mut Monitor::none()) {
        Err(err) => {
            assert_eq!(err.code(), Code::Training, "{err}");
            assert!(err.message().contains("lower learning_rate"), "{err}");
        }
        Ok(outcome) => assert!(outcome.summary["loss"].is_number(), "{}", outcome.summary),
    }
}

#[test]
fn progress_counts_up_and_a_stop_returns_the_best_so_far() {
    let mut events: Vec<Progress> = Vec::new();
    let mut watch = |event: &Progress| {
        events.push(event.clone());
        if event.phase == Phase::Train && event.step == 4 { Control::Stop } else { Control::Continue }
    };
    let outcome = run(&options(), 20, &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap();
    assert_eq!(outcome.summary["stop_reason"], "cancelled");
    assert_eq!(outcome.summary["steps"], 4);
    let train: Vec<&Progress> = events.iter().filter(|event| event.phase == Phase::Train).collect();
    assert_eq!(train.iter().map(|event| event.step).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(train.iter().all(|event| event.loss.is_some_and(f64::is_finite) && event.eta.is_some()));
    assert!(train[0].learning_rate < train[1].learning_rate || train[0].learning_rate == Some(0.0));
}

#[test]
fn a_stopped_run_resumes_to_the_bits_of_an_unbroken_one() {
    let dir = tempfile::tempdir().unwrap();
    let whole = TrainOptions { lora_dropout: 0.1, num_train_epochs: 4.0, ..options() };
    let unbroken = run(&whole, 20, &mut Monitor::none()).unwrap();
    let steps = unbroken.summary["steps"].as_u64().unwrap();
    for stop_at in [1, 5, 7, steps - 1, steps] {
        let resumable = TrainOptions {
            output_dir: Some(dir.path().join(stop_at.to_string())),
            checkpoint_steps: 3,
            resume_from_checkpoint: true,
            ..whole.clone()
        };
        let mut stop = |event: &Progress| match event.phase == Phase::Train && event.step == stop_at {
            true => Control::Stop,
            false => Control::Continue,
        };
        let broken = run(&resumable, 20, &mut Monitor::new(&Cancel::new(), Some(&mut stop))).unwrap();
        assert_eq!(broken.summary["stop_reason"], "cancelled");
        let resumed = run(&resumable, 20, &mut Monitor::none()).unwrap();
        assert_eq!(resumed.adapter.sha256(), unbroken.adapter.sha256(), "stopped at {stop_at}");
        for key in ["steps", "best_step", "validation_loss", "tokens"] {
            assert_eq!(resumed.summary[key], unbroken.summary[key], "{key}, stopped at {stop_at}");
        }
        let other = TrainOptions { learning_rate: 2e-3, ..resumable };
        let err = run(&other, 20, &mut Monitor::none()).unwrap_err();
        assert!(err.message().contains("of another run"), "{err}");
    }
}

#[test]
fn cancelled_before_the_first_step_is_an_error() {
    let cancel = Cancel::new();
    cancel.request();
    let err = run(&options(), 20, &mut Monitor::new(&cancel, None)).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}

#[test]
fn a_run_directory_holds_config_metrics_events_and_a_loadable_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("运行");
    let options = TrainOptions { output_dir: Some(target.clone()), name: "hr_review".into(), ..options() };
    let outcome = run(&options, 20, &mut Monitor::none()).unwrap();
    let path = PathBuf::from(outcome.summary["adapter_path"].as_str().unwrap());
    let loaded = model().load_adapter(&path, &crate::adapter::AdapterOptions::default()).unwrap();
    assert_eq!(loaded.sha256(), outcome.adapter.sha256());
    assert_eq!((loaded.name(), loaded.version()), ("hr_review", outcome.adapter.version()));
    let metrics = std::fs::read_to_string(target.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count() as u64;
    assert_eq!(Some(of("train")), outcome.summary["steps"].as_u64());
    assert!(of("validation") >= 2, "{metrics}");
    assert!(target.join("config.json").exists());
    let steps = outcome.summary["steps"].as_u64().unwrap();
    assert_eq!(loaded.info()["manifest"]["metrics"]["steps"], steps);
}

#[test]
fn target_modules_patterns_and_small_sets_are_obeyed() {
    let json =
        r#"{"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"v_proj": 2}, "r": 3, "num_train_epochs": 1}"#;
    let options: TrainOptions = crate::options::parse(Some(json)).unwrap();
    let outcome = run(&options, 3, &mut Monitor::none()).unwrap();
    let info = outcome.adapter.info();
    assert_eq!(info["adapted_modules"], serde_json::json!(["q_proj", "v_proj"]));
    assert_eq!(info["adapted_layers"], 4);
    assert_eq!(outcome.summary["validation_rows"], 0);
    assert_eq!(outcome.summary["best_step"], outcome.summary["steps"]);
    let none: TrainOptions = crate::options::parse(Some(r#"{"target_modules": ["c_attn"]}"#)).unwrap();
    let err = run(&none, 3, &mut Monitor::none()).unwrap_err();
    assert!(err.message().contains("c_attn"), "{err}");
}

/// A template that tells the day makes prompts of it: the same seed gives the same adapter later only on the same day.
#[test]
fn the_day_that_a_template_tells_is_an_option_and_kept() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture).unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::copy(&entry, dir.path().join(entry.file_name().unwrap())).unwrap();
    }
    let config = std::fs::read_to_string(dir.path().join("tokenizer_config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let template = format!("{{{{ strftime_now('%d %b %Y') }}}}{}", config["chat_template"].as_str().unwrap());
    std::fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
    let dataset = Dataset::open_csv(&csv(dir.path(), 6), &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    let options = TrainOptions { max_steps: 2, ..options() };
    let on = |day: &str| {
        let options_of_model = ModelOptions { threads: 2, date: Some(day.to_owned()), ..ModelOptions::of_tests() };
        let model = LanguageModel::load(dir.path(), &options_of_model, &mut Monitor::none()).unwrap();
        assert_eq!(model.info()["date"], day);
        let adapter = train(&model, &dataset, &options, &mut Monitor::none()).unwrap().adapter;
        assert_eq!(adapter.info()["manifest"]["metrics"]["date"], day);
        adapter.sha256().to_owned()
    };
    let first = on("2024-07-26");
    assert_eq!(on("2024-07-26"), first);
    assert_ne!(on("2025-12-31"), first);
    let plain = train(&model(), &dataset, &options, &mut Monitor::none()).unwrap().adapter;
    assert_eq!(plain.info()["manifest"]["metrics"]["date"], Value::Null, "a template that tells no day");
}
