//! Fifty optimizer steps against the same fifty in PyTorch and PEFT (`tests/fixtures/README.md`, `training/curve-…`).

use super::schedule::LrSchedule;
use crate::adapter::{Adapter, AdapterBase};
use crate::model::PackedBatch;
use crate::model::test_support::{devices, load_on};
use crate::tensor::testing::relative_error;
use crate::tensor::{Device, Matrix};
use crate::train::optimizer::Optimizer;
use crate::train::options::TrainOptions;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Curve {
    base: String,
    steps: u64,
    warmup_steps: u64,
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    max_grad_norm: f64,
    rows: Vec<Row>,
    order: Vec<Vec<usize>>,
    learning_rates: Vec<f64>,
    loss: Vec<f64>,
    grad_norm: Vec<f64>,
    test_input_ids: Vec<u32>,
    final_logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Row {
    input_ids: Vec<u32>,
    labels: Vec<i64>,
}

#[test]
fn fifty_steps_equal_peft() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for base in ["qwen2", "qwen3"] {
        let dir = fixtures.join("training").join(format!("curve-{base}"));
        let text = std::fs::read_to_string(dir.join("curve.json")).unwrap();
        let curve: Curve = serde_json::from_str(&text).unwrap();
        for device in devices() {
            let decoder = load_on(&fixtures.join("models").join(&curve.base), device);
            let initial = Adapter::load(&dir.join("initial"), AdapterBase::try_from(&decoder).unwrap()).unwrap();
            let options = TrainOptions {
                learning_rate: curve.learning_rate,
                warmup_steps: curve.warmup_steps,
                adam_beta1: curve.beta1,
                adam_beta2: curve.beta2,
                adam_epsilon: curve.epsilon,
                weight_decay: curve.weight_decay,
                max_grad_norm: curve.max_grad_norm,
                ..Default::default()
            };
            let schedule = LrSchedule::new(&options, curve.steps);
            let mut optimizer = Optimizer::new(&options, &initial).unwrap();
            for step in 0..curve.steps as usize {
                let mut batch = PackedBatch::default();
                for &row in &curve.order[step] {
                    let Row { input_ids, labels } = &curve.rows[row];
                    batch.push(input_ids, |i| labels[i] != -100);
                }
                let trained = batch.num_trained() as f64;
                let (loss, gradients) =
                    decoder.loss_and_gradients(&batch, &optimizer.stack(), 1.0 / trained, None, step % 3).unwrap();
                let (loss, norm) = (loss / trained, gradients.norm().unwrap());
                let rate = schedule.at(step as u64);
                let close = |found: f64, expected: f64, tolerance: f64, what: &str| {
                    assert!(
                        (found - expected).abs() <= tolerance,
                        "{base} step {step}: {what} {found}, PEFT has {expected}"
                    );
                };
                close(rate, curve.learning_rates[step], 1e-12, "learning rate");
                close(loss, curve.loss[step], 1e-4, "loss");
                close(norm, curve.grad_norm[step], 1e-3 * curve.grad_norm[step], "gradient norm");
                optimizer.step(&gradients, norm, rate).unwrap();
            }
            let mut cache = decoder.new_cache(curve.test_input_ids.len()).unwrap();
            let hidden = decoder.extend(&curve.test_input_ids, &mut cache, &optimizer.stack()).unwrap();
            let logits = &curve.final_logits;
            let expected = Matrix::new(logits.len(), logits[0].len(), logits.concat(), &Device::host()).unwrap();
            let error = relative_error(&decoder.logits(&hidden).unwrap(), &expected);
            assert!(error < 1e-4, "{base}: final logits differ by {error:e}");
        }
    }
}
