//! Qwen2, 2.5 and 3, dense and as a mixture of experts (and DeepSeek-R1-Distill-Qwen).

use super::llama::LLAMA;
use super::{Biases, Family, QkNorm, Windows};
use crate::model::sites::ATTENTION;

pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    classes: &["Qwen2ForCausalLM"],
    biases: Biases::Inputs,
    windows: Windows::Upper,
    ..LLAMA
};

pub(super) const QWEN3: Family = Family {
    model_type: "qwen3",
    classes: &["Qwen3ForCausalLM"],
    defaults: r#"{"head_dim": 128}"#,
    qk_norm: Some(QkNorm::Head),
    windows: Windows::Upper,
    ..LLAMA
};

pub(super) const QWEN3_MOE: Family = Family {
    model_type: "qwen3_moe",
    classes: &["Qwen3MoeForCausalLM"],
    modules: &ATTENTION,
    defaults: r#"{"num_key_value_heads": 4, "max_position_embeddings": 32768, "num_experts": 128,
                  "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": false}"#,
    aliases: &[("num_experts", "num_local_experts")],
    settings: &["num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"],
    windows: Windows::AllIfUsed,
    ..QWEN3
};
