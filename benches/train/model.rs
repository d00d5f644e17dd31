//! A model directory with random weights, made once.

use crate::Outcome;
use crate::models::{self, Shape};
use safetensors::serialize_to_file;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Words of the tokenizer; one word is one token.
pub const WORDS: u32 = 1000;

/// The folder for what this bench writes.
pub fn folder() -> PathBuf {
    models::folder().join("train")
}

/// The directory of a model of that shape, made if it is not there.
pub fn prepare(shape: &Shape) -> Outcome<PathBuf> {
    let dir = folder().join("models").join(shape.name);
    // Written last: a directory without it was left by a run that was stopped.
    let last = dir.join("config.json");
    if last.is_file() {
        return Ok(dir);
    }
    eprintln!("making {shape} in {}", dir.display());
    std::fs::create_dir_all(&dir)?;
    serialize_to_file(shape.tensors(), None, &dir.join("model.safetensors"))?;
    std::fs::write(dir.join("tokenizer.json"), tokenizer().to_string())?;
    std::fs::write(dir.join("tokenizer_config.json"), json!({"eos_token": "<|end|>"}).to_string())?;
    std::fs::write(last, config(shape).to_string())?;
    Ok(dir)
}

/// A token's text, as the CSV has it; ids run from 1 to [`WORDS`].
pub fn word(id: u32) -> String {
    format!("w{id}")
}

fn tokenizer() -> Value {
    let end = "<|end|>";
    let unknown = "<|unknown|>";
    let mut vocab = serde_json::Map::from_iter([(end.to_owned(), json!(0))]);
    vocab.extend((1..=WORDS).map(|id| (word(id), json!(id))));
    vocab.insert(unknown.to_owned(), json!(WORDS + 1));
    json!({
        "version": "1.0",
        "added_tokens": [{
            "id": 0, "content": end, "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        }],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": unknown},
    })
}

fn config(shape: &Shape) -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "intermediate_size": shape.intermediate_size,
        "vocab_size": shape.vocab_size,
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "use_sliding_window": false,
        "eos_token_id": 0,
        "torch_dtype": "bfloat16",
    })
}
