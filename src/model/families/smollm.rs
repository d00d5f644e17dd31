//! SmolLM3: every fourth layer has no positions. SmolLM 1 and 2 are Llama models by name.

use super::llama::LLAMA;
use super::{Family, Windows};

pub(super) const SMOLLM3: Family = Family {
    model_type: "smollm3",
    classes: &["SmolLM3ForCausalLM"],
    defaults: r#"{"num_key_value_heads": 4, "max_position_embeddings": 32768, "rope_theta": 2e6,
                  "tie_word_embeddings": true, "no_rope_layer_interval": 4}"#,
    settings: &["no_rope_layers", "no_rope_layer_interval"],
    windows: Windows::WithoutRope,
    ..LLAMA
};
