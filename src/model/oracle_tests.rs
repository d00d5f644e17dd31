//! The decoder against candle-transformers' models: an oracle that shares candle with us, but no line of the network.

use super::test_support::{fixtures, ids, json, load};
use super::*;
use crate::tensor::Matrix;
use crate::tensor::testing::relative_error;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{llama, qwen2, qwen3};
use serde_json::{Value, json};
use std::path::Path;

/// Logits of the last position, `[1, vocab]`.
fn oracle(dir: &Path, prompt: &[u32]) -> Result<Tensor> {
    let mut config = json(&dir.join("config.json"));
    // candle-transformers demands what configurations leave to their family's defaults.
    for (key, value) in [
        ("rope_theta", config["rope_parameters"]["rope_theta"].clone()),
        ("attention_bias", json!(false)),
        ("max_window_layers", json!(0)),
        ("use_sliding_window", json!(false)),
    ] {
        if config[key].is_null() {
            config[key] = value;
        }
    }
    let weights = std::fs::read(dir.join("model.safetensors"))?;
    let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
    let prompt = Tensor::new(prompt, &Device::Cpu)?.unsqueeze(0)?;
    let logits = match config["model_type"].as_str().unwrap() {
        "qwen2" => qwen2::ModelForCausalLM::new(&parse(config), weights)?.forward(&prompt, 0)?,
        "qwen3" => qwen3::ModelForCausalLM::new(&parse(config), weights)?.forward(&prompt, 0)?,
        "llama" => {
            let config = parse::<llama::LlamaConfig>(config).into_config(false);
            let mut cache = llama::Cache::new(false, DType::F32, &config, &Device::Cpu)?;
            llama::Llama::load(weights, &config)?.forward(&prompt, 0, &mut cache)?
        }
        other => panic!("no oracle for {other}"),
    };
    let vocab = logits.dim(candle_core::D::Minus1)?;
    logits.reshape((1, vocab))
}

fn parse<T: serde::de::DeserializeOwned>(config: Value) -> T {
    serde_json::from_value(config).unwrap()
}

#[test]
fn logits_equal_candle_transformers() {
    for name in ["llama2", "llama3", "qwen2", "qwen3", "qwen3-untied"] {
        let dir = fixtures().join("models").join(name);
        let prompt = ids(&json(&dir.join("expected.json"))["input_ids"]);
        let decoder = load(&dir).unwrap();
        let mut cache = decoder.new_cache(prompt.len()).unwrap();
        let hidden = decoder.extend(&prompt, &mut cache, &LoraStack::none()).unwrap();
        let last = decoder.logits(&hidden.part(prompt.len() - 1..prompt.len()).unwrap()).unwrap();
        let error = relative_error(&last, &Matrix::of_tensor(&oracle(&dir, &prompt).unwrap()).unwrap());
        assert!(error < 2e-5, "{name}: relative error {error:e}");
    }
}
