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

/// As on the Hub, where they have more than fixtures do.
#[test]
fn what_families_ask_for_is_read_or_refused() {
    let sizes = json!({"vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
                       "num_attention_heads": 4});
    let read = |more: Value| {
        let mut config = sizes.clone();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        DecoderConfig::from_json(&config)
    };
    let windows = |config: &DecoderConfig| config.layers.iter().map(|layer| layer.window).collect::<Vec<_>>();
    let gemma = read(json!({"model_type": "gemma2", "hidden_act": "gelu_pytorch_tanh", "hidden_activation": null,
                            "cache_implementation": "hybrid", "eos_token_id": 1}))
    .unwrap();
    assert_eq!((gemma.notes.len(), windows(&gemma)), (0, vec![Some(4096), None, Some(4096)]));
    assert_eq!((gemma.scales.embedding, gemma.scales.attention), (4.0, Some(1.0 / 16.0)));
    let mistral = read(json!({"model_type": "mistral", "num_key_value_heads": 4, "sliding_window": null})).unwrap();
    assert_eq!(windows(&mistral), [None; 3], "null is no default");
    let phi = json!({"model_type": "phi3", "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": false});
    assert_eq!(read(phi).unwrap().notes, [""; 0]);
    // As PEFT names them on what `AutoModelForCausalLM` makes of such a config.
    let nested = json!({"model_type": "gemma3", "text_config": sizes});
    let nested = DecoderConfig::from_json(&nested).unwrap();
    let first = nested.sites().iter().next().unwrap().path();
    assert_eq!(first, "model.language_model.layers.0.self_attn.q_proj");
    let long = json!({"type": "su", "short_factor": [1.0, 1.0], "long_factor": [2.0, 3.0]});
    for (config, word) in [
        (json!({"model_type": "gemma2", "use_bidirectional_attention": true}), "`use_bidirectional_attention` is true"),
        (json!({"model_type": "gemma2", "attn_logit_softcapping": -1.0}), "`attn_logit_softcapping` is -1"),
        (
            json!({"model_type": "qwen3_moe", "num_experts_per_tok": 200, "eos_token_id": 1}),
            "at most `num_experts`, 128",
        ),
        (json!({"model_type": "qwen3_moe", "mlp_only_layers": [1]}), "`mlp_only_layers` is a list of 1"),
        (json!({"model_type": "qwen3_moe", "decoder_sparse_step": 2}), "`decoder_sparse_step` is 2"),
        (json!({"model_type": "glm4", "head_dim": 10, "eos_token_id": 1}), "expected an even part"),
        (json!({"model_type": "smollm3", "no_rope_layers": [1]}), "`no_rope_layers` has 1 entries; expected 3"),
        (json!({"model_type": "minicpm", "sparse_config": {"x": 1}}), "`sparse_config`"),
        (json!({"model_type": "phi3", "rope_scaling": long, "original_max_position_embeddings": 8192}), "is 8192"),
        (
            json!({"model_type": "phi3", "rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]},
                "original_max_position_embeddings": 64}),
            "`long_factor` has 1 numbers; expected 2",
        ),
    ] {
        let err = read(config.clone()).unwrap_err();
        assert!(err.message().contains(word), "{config}: {err}");
    }
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
    let fixtures = std::fs::read_dir(dir.join("tests/fixtures/models")).unwrap();
    folders.extend(fixtures.map(|entry| entry.unwrap().path()));
    let real = dir.join("../shared/assets/tokenizers/configs");
    match std::fs::read_dir(&real) {
        Ok(entries) => folders.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())),
        Err(_) => println!("SKIPPED: real configs: {} is not there", real.display()),
    }
    for folder in &folders {
        assert_eq!(DecoderConfig::load(folder).unwrap().notes, [""; 0], "{}", folder.display());
    }
}
