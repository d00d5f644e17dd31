//! Configurations as they are found, and what is wrong with them.

use super::*;
use serde_json::json;

fn llama() -> Value {
    json!({"model_type": "llama", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24,
           "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2})
}

fn with(key: &str, value: Value) -> Value {
    let mut config = llama();
    config[key] = value;
    config
}

#[test]
fn refusals_name_what_was_found() {
    for (config, expected) in [
        (
            with("model_type", json!("gpt2")),
            "model_type `gpt2` is not supported; supported are llama, qwen2, qwen3, qwen3_moe, mistral, ",
        ),
        (with("vocab_size", json!(0)), "`vocab_size` is 0"),
        (with("hidden_size", json!(1u64 << 60)), "`hidden_size`"),
        (with("num_key_value_heads", json!(3)), "expected a divisor"),
        (with("head_dim", json!(7)), "`head_dim` is 7"),
        (with("hidden_act", json!("relu")), "hidden_act `relu`"),
        (with("eos_token_id", json!("x")), "`eos_token_id`"),
        (with("quantization_config", json!({"bits": 4})), "quantized"),
        (json!({"model_type": "gemma3", "text_config": {}}), "`text_config.hidden_size` is missing"),
        (json!({"model_type": "gemma3"}), "`text_config` is missing"),
        (json!({"architectures": ["X"]}), "names no model_type; supported are"),
        (json!([]), "the file is a list of 0; expected an object"),
        (with("model_type", json!(7)), "`model_type` is 7; expected a text"),
        (with("vocab_size", json!("32")), "`vocab_size` is \"32\"; expected a whole number"),
        (with("hidden_size", json!(16.5)), "`hidden_size` is 16.5"),
        (with("hidden_size", json!(18)), "`hidden_size` is 18; expected a multiple"),
        (with("num_hidden_layers", json!(1 << 20)), "`num_hidden_layers` is 1048576"),
        (with("num_hidden_layers", Value::Null), "`num_hidden_layers` is missing"),
        (with("max_position_embeddings", json!(1u64 << 60)), "`max_position_embeddings`"),
        (with("rms_norm_eps", json!("1e-6")), "`rms_norm_eps` is \"1e-6\"; expected a number"),
        (with("rope_theta", json!("x")), "`rope_theta` is \"x\"; expected a number"),
        (with("tie_word_embeddings", json!("yes")), "`tie_word_embeddings` is \"yes\"; expected true or false"),
        (with("attention_bias", json!(1)), "`attention_bias` is 1"),
        (with("hidden_act", json!(["silu"])), "`hidden_act` is a list of 1"),
        (with("layer_types", json!([1])), "`layer_types` is a list of 1; expected a list of texts"),
        (with("architectures", json!("X")), "`architectures`"),
        (with("eos_token_id", json!(32)), "`eos_token_id` has 32; expected ids below `vocab_size`, 32"),
        (with("final_logit_softcapping", json!(30.0)), "`final_logit_softcapping` is 30"),
        (with("logit_scale", json!(0.5)), "`logit_scale` is 0.5, which is not supported"),
        (with("num_experts", json!(8)), "`num_experts` is 8"),
        (with("partial_rotary_factor", json!(0.5)), "`partial_rotary_factor`"),
        (with("use_qk_norm", json!(true)), "`use_qk_norm`"),
    ] {
        let err = DecoderConfig::from_json(&config).unwrap_err();
        assert!(err.message().contains(expected), "{err}");
    }
}

#[test]
fn several_eos_ids_and_windows() {
    let config = DecoderConfig::from_json(&with("eos_token_id", json!([1, 2]))).unwrap();
    assert_eq!(config.eos_token_ids, [1, 2]);
    let mut qwen = with("model_type", json!("qwen2"));
    qwen["use_sliding_window"] = json!(true);
    qwen["sliding_window"] = json!(8);
    qwen["max_window_layers"] = json!(1);
    let config = DecoderConfig::from_json(&qwen).unwrap();
    let windows: Vec<_> = config.layers.iter().map(|layer| layer.window).collect();
    assert_eq!(windows, [None, Some(8)]);
    assert!(config.qkv_bias && !config.output_bias);
}

#[test]
fn what_is_not_used_is_noted_and_what_is_known_is_not() {
    let notes = |key: &str, value: Value| DecoderConfig::from_json(&with(key, value)).unwrap().notes;
    assert_eq!(notes("logit_scale", json!(1.0)), [""; 0]);
    assert_eq!(notes("architectures", json!(["LlamaForCausalLM"])), [""; 0]);
    assert_eq!(notes("new_thing", Value::Null), [""; 0]);
    for (key, value) in [
        ("new_thing", json!(3)),
        ("sliding_window", json!(4096)),
        ("architectures", json!(["LlamaForSequenceClassification"])),
        ("rope_scaling", json!({"type": "linear", "factor": 2, "new_thing": 1})),
    ] {
        let found = notes(key, value);
        assert_eq!(found.len(), 1, "{key}: {found:?}");
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![dir.join("samples/models/tailora-tiny")];
    folders.extend(["llama2", "qwen2", "qwen3"].map(|name| dir.join("tests/fixtures/models").join(name)));
    let real = dir.join("../shared/assets/tokenizers/configs");
    match std::fs::read_dir(&real) {
        Ok(entries) => folders.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())),
        Err(_) => println!("SKIPPED: real configs: {} is not there", real.display()),
    }
    for folder in folders.iter().filter(|folder| !folder.ends_with("Qwen3-30B-A3B")) {
        assert_eq!(DecoderConfig::load(folder).unwrap().notes, [""; 0], "{}", folder.display());
    }
}
