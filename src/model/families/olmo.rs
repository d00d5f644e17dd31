//! OLMo 2: norms behind the blocks in place of those before them, and of queries and keys over all heads.

use super::llama::LLAMA;
use super::norms::BEHIND;
use super::{Family, QkNorm};

pub(super) const OLMO2: Family = Family {
    model_type: "olmo2",
    classes: &["Olmo2ForCausalLM"],
    norms: &BEHIND,
    defaults: r#"{"rms_norm_eps": 1e-5}"#,
    qk_norm: Some(QkNorm::Whole),
    ..LLAMA
};
