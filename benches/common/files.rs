//! The files that are read: models of random weights, made once.

use crate::gguf;
use crate::llama::Llama;
use crate::models::{self, Shape};
use crate::program::Outcome;
use std::path::{Path, PathBuf};

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights {
    Bf16,
    Q8_0,
    Q4KM,
}

impl Weights {
    /// All of them.
    pub const ALL: [Weights; 3] = [Weights::Bf16, Weights::Q8_0, Weights::Q4KM];

    /// The model with such weights. The rows of Qwen2.5-0.5B are no multiple of 256: `Q4_K_M` would not be Q4_K there.
    pub fn shape(self, small: bool) -> Shape {
        match self {
            _ if small => Shape::SMALL,
            Weights::Q4KM => Shape::QWEN2_5_1_5B,
            _ => Shape::QWEN2_5_0_5B,
        }
    }

    /// As `llama-quantize` calls them.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Bf16 => "bf16",
            Weights::Q8_0 => "q8_0",
            Weights::Q4KM => "q4_k_m",
        }
    }

    /// `quantize` of the model options that comes nearest, for want of `llama-quantize`.
    pub fn quantize(self) -> Option<&'static str> {
        match self {
            Weights::Bf16 => None,
            Weights::Q8_0 => Some("q8_0"),
            Weights::Q4KM => Some("q4_k"),
        }
    }
}

/// A GGUF file, and what becomes of its weights while ours loads it.
pub struct Model {
    pub file: PathBuf,
    pub quantize: Option<&'static str>,
}

/// The folder for what the benches of generation write.
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

/// Has a file made under another name first: one that was left by a run that was stopped is not taken for it.
pub fn make(file: &Path, write: impl FnOnce(&Path) -> Outcome) -> Outcome {
    if file.is_file() {
        return Ok(());
    }
    eprintln!("making {}", file.display());
    std::fs::create_dir_all(folder())?;
    let unfinished = file.with_extension("unfinished");
    write(&unfinished)?;
    Ok(std::fs::rename(&unfinished, file)?)
}
