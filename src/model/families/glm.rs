//! GLM-4: gate and up in one projection, half of each head rotated in neighbouring pairs; the later `glm4` has norms behind
//! the blocks too.

use super::llama::LLAMA;
use super::norms::GLM4_NORMS;
use super::{Biases, Family, Pairs};
use crate::model::sites::GATE_UP_FUSED;

pub(super) const GLM: Family = Family {
    model_type: "glm",
    classes: &["GlmForCausalLM"],
    modules: &GATE_UP_FUSED,
    defaults: r#"{"num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131072, "rms_norm_eps": 1.5625e-7,
                  "attention_bias": true, "partial_rotary_factor": 0.5, "eos_token_id": [151329, 151336, 151338]}"#,
    settings: &["partial_rotary_factor"],
    biases: Biases::InputsAsSaid,
    pairs: Pairs::Neighbours,
    ..LLAMA
};

pub(super) const GLM4: Family = Family { model_type: "glm4", classes: &["Glm4ForCausalLM"], norms: &GLM4_NORMS, ..GLM };
