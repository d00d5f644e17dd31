//! What no program can be faster than: products of matrices at the speed of PyTorch's, or each weight read once for a
//! token of every text.

use crate::cases::{Case, RANK, TOKENS, Work};
use crate::program::Outcome;
use crate::results::Results;
use serde_json::Value;
use std::path::Path;

/// Of the memory of an H100 SXM, bytes a second.
const BANDWIDTH: f64 = 3.35e12;

/// Sizes of the model, and what the card can do.
pub struct Bounds {
    facts: Value,
    /// Operations a second of the training's products alone, as `peer.py` measured them.
    pub gemm: Option<f64>,
    /// Bytes read and written a second while memory is copied, likewise.
    pub copy: Option<f64>,
}

impl Bounds {
    pub fn read(models: &Path, peer: &Results) -> Outcome<Self> {
        let facts = serde_json::from_slice(&std::fs::read(models.join("facts.json"))?)?;
        let measured = |name: &str, key: &str| peer.named(name).and_then(|figures| figures[key].as_f64());
        Ok(Bounds {
            facts,
            gemm: measured("gemm", "tflops").map(|tera| 1e12 * tera),
            copy: measured("copy", "gb_per_second").map(|giga| 1e9 * giga),
        })
    }

    /// Tokens a second.
    pub fn of(&self, case: &Case) -> Option<f64> {
        match case.work {
            Work::Train { .. } => Some(self.gemm? / self.training_operations()?),
            Work::Prefill => Some(self.gemm? / self.prefill_operations()?),
            Work::Decode { at_once } => {
                let bytes = self.facts["bytes_per_token"][case.weights.name()].as_f64()?;
                Some(at_once as f64 * BANDWIDTH / bytes)
            }
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.facts[name].as_f64()
    }

    /// For a token, forward: two for each weight; and scores and their sums over half of the row's tokens.
    fn prefill_operations(&self) -> Option<f64> {
        Some(2.0 * self.number("linear_parameters")? + self.attention()?)
    }

    /// Forward and to the inputs' gradients, head included; the adapter's own gradients; in attention 2 products forward
    /// and 5 backward.
    fn training_operations(&self) -> Option<f64> {
        let frozen = self.number("linear_parameters")? + self.number("head_parameters")?;
        let adapter = RANK as f64 * self.number("lora_parameters_per_rank")?;
        Some(4.0 * frozen + 6.0 * adapter + 3.5 * self.attention()?)
    }

    fn attention(&self) -> Option<f64> {
        Some(2.0 * TOKENS as f64 * self.number("hidden_size")? * self.number("layers")?)
    }
}
