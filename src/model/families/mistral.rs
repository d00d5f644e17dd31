//! Mistral 7B and Nemo: Llama with a window of keys in every layer, where the config has one.

use super::llama::LLAMA;
use super::{Family, Windows};

pub(super) const MISTRAL: Family = Family {
    model_type: "mistral",
    classes: &["MistralForCausalLM"],
    defaults: r#"{"num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072}"#,
    windows: Windows::All,
    ..LLAMA
};
