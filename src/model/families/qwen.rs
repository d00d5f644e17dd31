//! Qwen2, 2.5 and 3 (and DeepSeek-R1-Distill-Qwen).

use super::llama::LLAMA;
use super::{Biases, Family, QkNorm, Windows};

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
