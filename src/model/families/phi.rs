//! Phi-3, 3.5 and 4: one projection for queries, keys and values, and one for gate and up; LongRoPE.

use super::llama::LLAMA;
use super::{Family, Windows};
use crate::model::sites::FUSED;

pub(super) const PHI3: Family = Family {
    model_type: "phi3",
    classes: &["Phi3ForCausalLM"],
    modules: &FUSED,
    defaults: r#"{"max_position_embeddings": 4096, "rms_norm_eps": 1e-5}"#,
    settings: &["original_max_position_embeddings", "partial_rotary_factor"],
    windows: Windows::All,
    ..LLAMA
};
