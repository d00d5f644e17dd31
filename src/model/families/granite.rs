//! Granite 3 and MiniCPM: Llama's layers with factors of the embedding, of each block, of scores and of logits.
//!
//! Source of MiniCPM: `modeling_minicpm.py` of its repositories.

use super::Family;
use super::llama::LLAMA;

pub(super) const GRANITE: Family = Family {
    model_type: "granite",
    classes: &["GraniteForCausalLM"],
    defaults: r#"{"attention_multiplier": 1.0}"#,
    settings: &["attention_multiplier", "embedding_multiplier", "logits_scaling", "residual_multiplier"],
    ..LLAMA
};

pub(super) const MINICPM: Family = Family {
    model_type: "minicpm",
    classes: &["MiniCPMForCausalLM"],
    defaults: r#"{"scale_depth": 1.0, "tie_word_embeddings": true}"#,
    settings: &["dim_model_base", "logits_scaling", "residual_multiplier", "scale_depth"],
    aliases: &[("embedding_multiplier", "scale_emb")],
    ..LLAMA
};
