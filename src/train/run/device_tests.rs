//! The bundled model trained on the device of the tests, beside the same training on the CPU.

use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::train::*;
use crate::weights::Dtype;
use std::path::Path;

/// The loss of each step.
fn run(device: &str, dtype: Dtype, checkpointing: GradientCheckpointing) -> Vec<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options =
        ModelOptions { device: device.to_owned().try_into().unwrap(), dtype, threads: 2, ..Default::default() };
    let model = LanguageModel::load(&root.join("samples/models/tailora-tiny"), &options, &mut Monitor::none()).unwrap();
    let csv = root.join("samples/data/talent_review.csv");
    let dataset = Dataset::open_csv(&csv, &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    let options = TrainOptions {
        learning_rate: 1e-3,
        max_steps: 20,
        seed: 5,
        gradient_checkpointing: checkpointing,
        validation_folds: Some(0),
        memorisation_samples: 0,
        ..Default::default()
    };
    let mut losses = Vec::new();
    let mut watch = |event: &Progress| {
        losses.extend(event.loss.filter(|_| event.phase == Phase::Train));
        Control::Continue
    };
    train(&model, &dataset, &options, &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap();
    losses
}

#[test]
fn a_run_on_the_device_has_the_losses_of_the_cpu() {
    let Ok(device) = std::env::var("TAILORA_TEST_DEVICE") else {
        eprintln!("SKIPPED: a_run_on_the_device_has_the_losses_of_the_cpu: TAILORA_TEST_DEVICE names no GPU");
        return;
    };
    let [off, on] = [GradientCheckpointing::Fixed(false), GradientCheckpointing::Fixed(true)];
    let expected = run("cpu", Dtype::F32, off);
    for (dtype, checkpointing, tolerance) in [(Dtype::F32, off, 2e-3), (Dtype::F32, on, 2e-3), (Dtype::Bf16, off, 5e-2)]
    {
        let found = run(&device, dtype, checkpointing);
        println!("{dtype:?}, checkpointing {checkpointing:?}\n{:>5}{:>10}{device:>10}", "step", "cpu");
        assert_eq!(found.len(), expected.len());
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            println!("{:>5}{expected:>10.5}{found:>10.5}", step + 1);
            assert!((found - expected).abs() <= tolerance * expected, "{dtype:?}: step {}", step + 1);
        }
    }
}
