//! Decoders on quantized weights against the same on the dequantized ones.

use super::test_support::*;
use super::*;
use crate::tensor::Matrix;
use crate::tensor::testing::{flat, relative_error};
use serde_json::json;
use std::path::Path;

/// Of the fixtures and of `random_model`.
fn decoder_sites() -> impl Iterator<Item = Site> {
    Sites { table: &APART, num_layers: 2 }.iter()
}

#[test]
fn exact_training_on_quantized_weights_equals_training_on_the_dequantized_ones() {
    let case = fixtures().join("training/qwen2");
    let batch = super::test_support::json(&case.join("batch.json"));
    let packed = packed(&batch["input_ids"], &batch["labels"], &batch["attention_mask"]);
    let models = fixtures().join("models/qwen2");
    let exact = load_as(&models, Some("q8_0"), true).unwrap();
    let dense_dir = dequantized_copy(&models, &exact);
    let dense = load(dense_dir.path()).unwrap();
    let lora = stack(&case.join("adapter"), &dense, 2.0);
    let gradients = |decoder: &Decoder| decoder.loss_and_gradients(&packed, &lora, 0.1, None, usize::MAX).unwrap();
    let (expected_loss, expected) = gradients(&dense);
    let fast = load_as(&models, Some("q8_0"), false).unwrap();
    let (loss, found) = gradients(&exact);
    assert!((loss / expected_loss - 1.0).abs() < 1e-5, "loss {loss}, dense {expected_loss}");
    for site in decoder_sites() {
        let ([f], [e]) = (found.at(site), expected.at(site)) else { panic!("one delta per site") };
        assert!(relative_error(&f.a, &e.a) < 1e-3, "{}", site.path());
        assert!(relative_error(&f.b, &e.b) < 1e-3, "{}", site.path());
    }

    let (loss, found) = gradients(&fast);
    assert_nearly((loss, &found), (expected_loss, &expected));
}

/// Integer products add noise, as llama.cpp's do; these models have large random weights, which is the worst case.
fn assert_nearly((loss, found): (f64, &LoraGradients), (expected_loss, expected): (f64, &LoraGradients)) {
    assert!((loss / expected_loss - 1.0).abs() < 0.02, "loss {loss}, dense {expected_loss}");
    let all = |gradients: &LoraGradients| -> Vec<f64> {
        decoder_sites()
            .flat_map(|s| [flat(&gradients.at(s)[0].a), flat(&gradients.at(s)[0].b)].concat())
            .map(f64::from)
            .collect()
    };
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let (found, expected) = (all(found), all(expected));
    let cosine = dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
    assert!(cosine > 0.99, "direction of the gradient: cosine {cosine}");
}

#[test]
fn training_on_k_quants_equals_training_on_the_dequantized_weights() {
    let model = random_model(512);
    for quantize in ["q4_0", "q5_0", "q4_k", "q5_k", "q6_k"] {
        for exact in [true, false] {
            let quantized = load_as(model.path(), Some(quantize), exact).unwrap();
            let dense_dir = dequantized_copy(model.path(), &quantized);
            let dense = load(dense_dir.path()).unwrap();
            let lora = random_stack(&dense);
            let mut batch = PackedBatch::default();
            batch.push(&(3..40).collect::<Vec<u32>>(), |i| i > 4);
            batch.push(&(100..121).collect::<Vec<u32>>(), |i| i > 9);
            let gradients = |decoder: &Decoder| decoder.loss_and_gradients(&batch, &lora, 0.1, None, 0).unwrap();
            let (expected_loss, expected) = gradients(&dense);
            let (loss, found) = gradients(&quantized);
            if !exact {
                assert_nearly((loss, &found), (expected_loss, &expected));
                continue;
            }
            assert!((loss / expected_loss - 1.0).abs() < 1e-5, "{quantize:?}: loss {loss}, dense {expected_loss}");
            for site in decoder_sites() {
                let ([f], [e]) = (found.at(site), expected.at(site)) else { panic!("one delta per site") };
                for (f, e) in [(&f.a, &e.a), (&f.b, &e.b)] {
                    let error = relative_error(f, e);
                    assert!(error < 1e-3, "{quantize:?} {}: {error:e}", site.path());
                }
            }
        }
    }
}

/// PyTorch and PEFT on the weights that ours stand for, written out in f32.
#[test]
fn pytorch_gives_the_same_gradients_on_the_dequantized_weights() {
    let Some(python) = std::env::var_os("TAILORA_PYTHON") else {
        println!("SKIPPED: pytorch_gives_the_same_gradients_…: TAILORA_PYTHON does not name a Python with peft");
        return;
    };
    let model = random_model(512);
    let rows = [((3..40).collect::<Vec<u32>>(), 5), ((100..121).collect(), 10)];
    let mut batch = PackedBatch::default();
    rows.iter().for_each(|(ids, prompt_len)| batch.push(ids, |i| i >= *prompt_len));
    let rows = rows.map(|(ids, prompt_len)| json!({"ids": ids, "prompt_len": prompt_len}));
    for quantize in ["q8_0", "q6_k", "q4_k"] {
        let decoder = load_as(model.path(), Some(quantize), true).unwrap();
        let lora = random_stack(&decoder);
        let (dense, adapter) = (dequantized_copy(model.path(), &decoder), adapter_dir(&lora, decoder.sites()));
        let out = adapter.path().join("gradients.safetensors");
        let output = std::process::Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/check_gradients.py"))
            .args([adapter.path(), dense.path()])
            .arg(json!(rows).to_string())
            .arg(&out)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = stack_of(&out, &decoder, 1.0);
        let (loss, found) = decoder.loss_and_gradients(&batch, &lora, 1.0, None, usize::MAX).unwrap();
        assert!((loss / printed["loss"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{quantize:?}: {loss}, {printed}");
        let mut worst = 0.0f64;
        for site in decoder_sites() {
            let ([f], [e]) = (found.at(site), expected.at(site)) else { panic!("one delta per site") };
            for (f, e) in [(&f.a, &e.a), (&f.b, &e.b)] {
                worst = worst.max(relative_error(f, e));
            }
        }
        println!("{quantize:?}: gradients differ from PyTorch's by {worst:.1e} of the largest");
        assert!(worst < 1e-3, "{quantize:?}: {worst:e}");
    }
}

#[test]
fn k_quants_give_nearly_the_logits_of_f32_token_by_token_too() {
    let model = random_model(512);
    let prompt: Vec<u32> = (5..37).collect();
    let expected = logits(&load(model.path()).unwrap(), &prompt);
    // Random weights are the worst case; what matters is that more bits are closer.
    for (quantize, tolerance) in [("q4_k", 0.3), ("q6_k", 0.08), ("q8_0", 0.03)] {
        let decoder = load_as(model.path(), Some(quantize), false).unwrap();
        let found = logits(&decoder, &prompt);
        let error = relative_error(&found, &expected);
        println!("{quantize:?}: logits differ by {error:.4} of the largest");
        assert!(error < tolerance, "{quantize:?}: {error}");
        let mut cache = decoder.new_cache(prompt.len()).unwrap();
        let hidden: Vec<_> =
            prompt.iter().map(|id| decoder.extend(&[*id], &mut cache, &LoraStack::none()).unwrap()).collect();
        let hidden = Matrix::join_rows(&hidden.iter().collect::<Vec<_>>(), decoder.device()).unwrap();
        let one_by_one = decoder.logits(&hidden).unwrap();
        let error = relative_error(&one_by_one, &found);
        assert!(error < 0.1, "{quantize:?}: token by token differs by {error}");
    }
}

#[test]
fn rows_that_are_no_whole_blocks_fall_back_and_say_so() {
    let model = random_model(300);
    let decoder = load_as(model.path(), Some("q4_k"), false).unwrap();
    let types: Vec<_> = decoder.weight_types().types.iter().map(|(name, count)| (*name, *count)).collect();
    assert_eq!(types, [("q4_k", 13), ("q6_k", 1), ("q8_0", 2)]);
    let notes = decoder.weight_types().notes();
    assert_eq!(
        notes,
        [
            "model.layers.0.mlp.down_proj.weight and 1 more: kept in q8_0 instead of q4_k, which needs rows of a multiple \
          of 256; they have 300"
        ]
    );
    let whole = random_model(512);
    assert_eq!(load(whole.path()).unwrap().weight_types().types.get("f32"), Some(&16));
}
