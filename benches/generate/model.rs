//! The files that are read: models of random weights, and an adapter. Made once.

use crate::Outcome;
use crate::cases::Weights;
use crate::gguf;
use crate::llama::Llama;
use crate::models::{self, RandomTensor, Shape};
use safetensors::{View, serialize_to_file};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Rank of the adapter.
const RANK: usize = 8;

/// A GGUF file, and what becomes of its weights while ours loads it.
pub struct Model {
    pub file: PathBuf,
    pub quantize: Option<&'static str>,
}

/// The folder for what this bench writes.
pub fn folder() -> PathBuf {
    models::folder().join("generate")
}

/// The file with such weights, which both sides read. Without llama.cpp there is none to quantize it: ours does while it
/// loads.
pub fn prepare(shape: &Shape, weights: Weights, llama: Option<&Llama>) -> Outcome<Model> {
    let path = |weights: Weights| folder().join(format!("{}-{}.gguf", shape.name, weights.name()));
    let bf16 = path(Weights::Bf16);
    make(&bf16, |file| gguf::write(shape, file))?;
    match (weights, llama) {
        (Weights::Bf16, _) => Ok(Model { file: bf16, quantize: None }),
        (_, None) => Ok(Model { file: bf16, quantize: weights.quantize() }),
        (_, Some(llama)) => {
            let file = path(weights);
            make(&file, |file| llama.quantize(&bf16, file, weights.name()))?;
            Ok(Model { file, quantize: None })
        }
    }
}

/// An adapter for every linear layer, in a directory as PEFT writes it.
pub fn adapter(shape: &Shape) -> Outcome<PathBuf> {
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

/// Has a file made under another name first: one that was left by a run that was stopped is not taken for it.
fn make(file: &Path, write: impl FnOnce(&Path) -> Outcome) -> Outcome {
    if file.is_file() {
        return Ok(());
    }
    eprintln!("making {}", file.display());
    std::fs::create_dir_all(folder())?;
    let unfinished = file.with_extension("unfinished");
    write(&unfinished)?;
    Ok(std::fs::rename(&unfinished, file)?)
}
