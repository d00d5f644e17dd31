//! Llama 2 and 3, and what was built like them under the same name (Yi, DeepSeek-R1-Distill-Llama).

use super::norms::BEFORE;
use super::{Biases, Family, Pairs, Ropes, Windows};
use crate::model::sites::APART;

pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    classes: &["LlamaForCausalLM"],
    modules: &APART,
    norms: &BEFORE,
    defaults: "{}",
    settings: &[],
    aliases: &[],
    nested: None,
    stored: None,
    biases: Biases::AsSaid,
    qk_norm: None,
    scales_embedding: false,
    norm_offset: 0.0,
    ropes: Ropes::One,
    pairs: Pairs::Halves,
    windows: Windows::Never,
};
