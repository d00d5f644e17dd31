//! The same run on f32, Q8_0 and Q4_K weights of the bundled trained model: the losses end within 2 % of each other.
//!
//! The rows are of the kind it was trained on, so that a run ends where wording alone decides. On rows that it must learn
//! by heart, the losses fall tenfold, and how far one is ahead of the other at a step says nothing of where they end.
//!
//! The model's matrices have rows of 192 weights, which no K-quant can hold, so the model is first put into a wider one that computes the
//! same: more hidden dimensions and a head more per group, all of zeros.

use crate::control::{Cancel, Control, Monitor, Phase, Progress};
use crate::dataset::{Dataset, DatasetOptions};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::model::gguf::writer::Writer;
use crate::model::test_support::{load_on, logits};
use crate::tensor::DeviceChoice;
use crate::tensor::testing::assert_close;
use crate::train::*;
use crate::weights::Quantize;
use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

const HIDDEN: (usize, usize) = (192, 256);

/// The bundled model with hidden size 256 and 8 heads in place of 192 and 6.
fn widened(source: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        std::fs::copy(source.join(name), dir.path().join(name)).unwrap();
    }
    let text = std::fs::read_to_string(source.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&config["hidden_size"], &config["num_attention_heads"]), (&json!(192), &json!(6)));
    // The mean of squares is now over more numbers: both sides of the norm shrink by the same factor.
    let share = HIDDEN.0 as f64 / HIDDEN.1 as f64;
    config["head_dim"] = json!(32);
    config["hidden_size"] = json!(HIDDEN.1);
    config["num_attention_heads"] = json!(8);
    config["rms_norm_eps"] = json!(config["rms_norm_eps"].as_f64().unwrap() * share);
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();

    let tensors = candle_core::safetensors::load(source.join("model.safetensors"), &Device::Cpu).unwrap();
    let wide = tensors.into_iter().map(|(name, tensor)| {
        let tensor = tensor.to_dtype(DType::F32).unwrap();
        let tensor = match name.as_str() {
            n if n.contains("norm") => (pad(&tensor, 0) * share.sqrt()).unwrap(),
            n if n.contains("q_proj.weight") => pad(&more_heads(&tensor, 0), 1),
            n if n.contains("q_proj.bias") => more_heads(&tensor, 0),
            n if n.contains("o_proj") => pad(&more_heads(&tensor, 1), 0),
            n if n.contains("down_proj") => pad(&tensor, 0),
            n if n.contains("bias") => tensor,
            _ => pad(&tensor, 1),
        };
        (name, tensor)
    });
    let wide: HashMap<String, Tensor> = wide.collect();
    candle_core::safetensors::save(&wide, dir.path().join("model.safetensors")).unwrap();
    dir
}

/// Zeros behind the 192 of a dimension.
fn pad(tensor: &Tensor, dim: usize) -> Tensor {
    assert_eq!(tensor.dim(dim).unwrap(), HIDDEN.0);
    tensor.pad_with_zeros(dim, 0, HIDDEN.1 - HIDDEN.0).unwrap()
}

/// A head of zeros behind each three: queries keep their keys.
fn more_heads(tensor: &Tensor, dim: usize) -> Tensor {
    let group = |index: usize| tensor.narrow(dim, index * 96, 96).unwrap().pad_with_zeros(dim, 0, 32).unwrap();
    Tensor::cat(&[group(0), group(1)], dim).unwrap()
}

struct Curve {
    name: &'static str,
    loss: Vec<f64>,
    validation: Vec<f64>,
}

impl Curve {
    /// Mean loss over the last epoch (18 steps): steps differ by their rows.
    fn end(&self) -> f64 {
        let last = &self.loss[self.loss.len() - 18..];
        last.iter().sum::<f64>() / last.len() as f64
    }
}

fn quantize(name: &str) -> Option<Quantize> {
    name.parse().ok()
}

fn curve(name: &'static str, path: &Path, quantize: Option<Quantize>, dataset: &Dataset, max_steps: u64) -> Curve {
    let options = ModelOptions { quantize, threads: 2, ..Default::default() };
    let model = LanguageModel::load(path, &options, &mut Monitor::none()).unwrap();
    println!("{name}: {} {}", model.info()["weight_types"], model.info()["notes"]);
    let options = TrainOptions {
        learning_rate: 1e-3,
        max_steps,
        eval_steps: 18,
        early_stopping_patience: 0,
        memorisation_samples: 0,
        validation_folds: Some(0),
        calibration_rows: 0,
        ..Default::default()
    };
    let mut curve = Curve { name, loss: Vec::new(), validation: Vec::new() };
    let mut watch = |event: &Progress| {
        curve.loss.extend(event.loss.filter(|_| event.phase == Phase::Train));
        curve.validation.extend(event.validation_loss.filter(|_| event.phase == Phase::Validate));
        Control::Continue
    };
    train(&model, dataset, &options, &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap();
    curve
}

#[test]
fn losses_on_quantized_weights_end_where_those_on_f32_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("samples/models/tailora-tiny");
    let wide = widened(&source);
    let load = |path: &Path| load_on(path, DeviceChoice::Cpu);
    let prompt: Vec<u32> = (100..140).collect();
    assert_close(&logits(&load(wide.path()), &prompt), &logits(&load(&source), &prompt), 1e-4);

    // A GGUF file of the same Q4_K weights, with the tokenizer beside it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(source.join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    std::fs::copy(source.join("tokenizer_config.json"), folder.path().join("tokenizer_config.json")).unwrap();
    let file = folder.path().join("tiny-q4_k.gguf");
    let head = |name: &str| if name == "token_embd.weight" { GgmlDType::Q6K } else { GgmlDType::Q4K };
    let mut writer = Writer::of(wide.path(), |name, _| head(name));
    writer.metadata.insert("tokenizer.ggml.eos_token_id".to_owned(), gguf_file::Value::U32(2));
    writer.write(&file);

    let csv = root.join("tests/fixtures/training/reviews.csv");
    let dataset = Dataset::open_csv(&csv, &DatasetOptions::default(), &mut Monitor::none()).unwrap();
    let curves = [
        curve("f32", wide.path(), None, &dataset, 54),
        curve("q8_0", wide.path(), quantize("q8_0"), &dataset, 54),
        curve("q4_k", wide.path(), quantize("q4_k"), &dataset, 54),
    ];
    print_table(&curves);
    let [f32, quantized @ ..] = &curves;
    for other in quantized {
        for (what, found, expected) in [
            ("training", other.end(), f32.end()),
            ("validation", other.validation[other.validation.len() - 1], f32.validation[f32.validation.len() - 1]),
        ] {
            let apart = (found / expected - 1.0).abs();
            assert!(apart < 0.02, "{}: {what} loss ends at {found:.4}, {expected:.4} on f32", other.name);
        }
    }
    let gguf = curve("q4_k GGUF", &file, None, &dataset, 3);
    assert_eq!(gguf.loss, curve("q4_k again", wide.path(), quantize("q4_k"), &dataset, 3).loss);
}

fn print_table(curves: &[Curve]) {
    let row = |label: &str, value: &dyn Fn(&Curve) -> f64| {
        let cells: String = curves.iter().map(|curve| format!("{:>9.4}", value(curve))).collect();
        println!("{label:<22}{cells}");
    };
    println!("{:<22}{}", "", curves.iter().map(|curve| format!("{:>9}", curve.name)).collect::<String>());
    for step in (0..curves[0].loss.len()).filter(|step| (step + 1) % 6 == 0) {
        row(&format!("step {:>2} loss", step + 1), &|curve| curve.loss[step]);
    }
    row("mean of the last 18", &Curve::end);
    for index in 0..curves[0].validation.len() {
        row(&format!("validation {}", index + 1), &|curve| curve.validation[index]);
    }
}
