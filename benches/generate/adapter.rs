//! An adapter of random weights, made once.

use crate::Outcome;
use crate::files::{folder, make};
use crate::models::{RandomTensor, Shape};
use safetensors::{View, serialize_to_file};
use serde_json::json;
use std::path::PathBuf;

/// Rank of the adapter.
const RANK: usize = 8;

/// An adapter for every linear layer, in a directory as PEFT writes it.
pub fn prepare(shape: &Shape) -> Outcome<PathBuf> {
    let dir = folder().join(format!("{}-lora", shape.name));
    std::fs::create_dir_all(&dir)?;
    make(&dir.join("adapter_model.safetensors"), |file| Ok(serialize_to_file(lora_tensors(shape), None, file)?))?;
    let modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let config = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": modules,
    });
    std::fs::write(dir.join("adapter_config.json"), config.to_string())?;
    Ok(dir)
}

fn lora_tensors(shape: &Shape) -> Vec<(String, RandomTensor)> {
    let mut tensors = Vec::new();
    for (name, weight) in shape.tensors() {
        let (Some(module), [out_features, in_features]) = (name.strip_suffix("_proj.weight"), weight.shape()) else {
            continue;
        };
        for (part, shape) in [("lora_A", [RANK, *in_features]), ("lora_B", [*out_features, RANK])] {
            let name = format!("base_model.model.{module}_proj.{part}.weight");
            let seed = tensors.len();
            tensors.push((name, RandomTensor::new(shape.into(), false, seed)));
        }
    }
    tensors
}
