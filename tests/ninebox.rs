//! Really trained models on real reviews: the validation loss falls, early stopping ends the run, and the best step is
//! what is given out. Needs `../shared/assets`; prints the figures.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tailora::{
    Dataset, DatasetOptions, EvaluateOptions, LanguageModel, LongRows, ModelOptions, Monitor, SchedulerType,
    TrainOptions,
};

/// One training at a time: each uses all cores.
static ALONE: Mutex<()> = Mutex::new(());

/// Employee reviews, each with its place in the nine-box grid.
const REVIEWS: &str = "data/ninebox/employee_review_mturk_dataset_v10_kaggle.csv";

fn asset(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: reviews of the nine-box grid: {} is not there", path.display());
    None
}

fn reviews(path: &Path, max_rows: usize) -> Dataset {
    let options = DatasetOptions {
        input_column: "nine_box_category".to_owned(),
        output_column: "feedback".to_owned(),
        long_rows: LongRows::Skip,
        max_rows: Some(max_rows),
        ..Default::default()
    };
    Dataset::open_csv(path, &options, &mut Monitor::none()).unwrap()
}

/// A rate and a rank that learn the rows by heart before the epochs are over.
fn options() -> TrainOptions {
    TrainOptions {
        r: 32,
        lora_alpha: 64.0,
        learning_rate: 1e-2,
        lr_scheduler_type: SchedulerType::Constant,
        num_train_epochs: 60.0,
        batch_size: 8,
        max_length: 512,
        validation_share: 0.15,
        early_stopping_patience: 2,
        // One run, and what it costs.
        validation_folds: Some(0),
        calibration_rows: 0,
        ..Default::default()
    }
}

/// Trains on the first `rows` reviews.
fn reviews_are_learnt_until_early_stopping(name: &str, rows: usize) {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (Some(model), Some(csv)) = (asset(&format!("models/{name}")), asset(REVIEWS)) else { return };
    let none = &mut Monitor::none();
    let model = LanguageModel::load(&model, &ModelOptions::default(), none).unwrap();
    let dataset = reviews(&csv, rows);
    let estimate = tailora::estimate(&model, Some(&dataset), &options(), none).unwrap();
    let outcome = tailora::train(&model, &dataset, &options(), none).unwrap();
    let summary = &outcome.summary;
    println!("{name}: {summary}\n{name}, estimated: {estimate}");
    assert_eq!(estimate["steps"], summary["total_steps"]);
    let number = |key: &str| summary[key].as_f64().unwrap();
    assert!(number("validation_loss") < 0.8 * number("base_validation_loss"), "{summary}");
    assert_eq!(summary["stop_reason"], "early_stopping", "{summary}");
    assert!(number("best_step") < number("steps") && number("steps") < number("total_steps"), "{summary}");
    assert_eq!(summary["evaluation"]["adapter"]["loss"], summary["validation_loss"]);
    assert_eq!(summary["memorisation"]["outputs"], 4, "{summary}");

    // On twice as many reviews, half of them new, the adapter that was given out does as well as was said.
    let later = EvaluateOptions { max_length: 512, memorisation_samples: 0 };
    let measured =
        tailora::evaluate(&model, &[(&outcome.adapter, 1.0)], &reviews(&csv, 2 * rows), None, &later, none).unwrap();
    println!("{name}, twice as many rows: {measured}");
    assert!(measured["adapter"]["loss"].as_f64() < measured["base"]["loss"].as_f64(), "{measured}");
}

#[test]
fn tinystories_656k() {
    reviews_are_learnt_until_early_stopping("tinystories-656k", 90);
}

#[test]
fn stories_260k() {
    reviews_are_learnt_until_early_stopping("stories260K-hf", 60);
}

#[test]
#[ignore = "minutes"]
fn tinystories_656k_on_all_reviews() {
    reviews_are_learnt_until_early_stopping("tinystories-656k", 878);
}

#[test]
#[ignore = "minutes"]
fn stories_260k_on_all_reviews() {
    reviews_are_learnt_until_early_stopping("stories260K-hf", 878);
}
