//! The weights of a model folder whose config is sound.

use super::models;
use std::path::Path;

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 6,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "tie_word_embeddings": true}"#;

pub(super) fn run(bytes: &[u8]) {
    models::load(|dir: &Path| {
        std::fs::write(dir.join("config.json"), CONFIG)?;
        std::fs::write(dir.join("model.safetensors"), bytes)?;
        Ok(dir.to_path_buf())
    });
}
