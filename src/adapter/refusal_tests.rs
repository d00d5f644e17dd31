//! Adapters with one fault each, and what is no adapter: refused by name.

use super::load::FILE_NAME;
use super::tests::{base, fixtures, of_shapes, scaling, trained};
use super::*;
use std::path::Path;

#[test]
fn each_fault_is_refused_with_its_name() {
    let cases: &[(&str, &str, Code, &[&str])] = &[
        ("modules-to-save", "qwen3", Code::Unsupported, &["modules_to_save", "lm_head", "adapter_config.json"]),
        ("dora", "qwen3", Code::Unsupported, &["use_dora"]),
        ("bias-all", "qwen2", Code::Unsupported, &["`bias`", "\"all\""]),
        ("bias-lora-only", "qwen2", Code::Unsupported, &["`bias`", "lora_only"]),
        ("lora-bias", "qwen2", Code::Unsupported, &["lora_bias"]),
        ("ia3", "qwen3", Code::Unsupported, &["peft_type", "IA3"]),
        (
            "missing-tensor",
            "qwen3",
            Code::AdapterFormat,
            &["layers.1.self_attn.q_proj.lora_B.weight", "missing", "[48, 2]"],
        ),
        ("extra-tensor", "qwen3", Code::AdapterMismatch, &["layers.7", "lora_A", "2 layers"]),
        ("unknown-tensor", "qwen3", Code::AdapterFormat, &["base_model.model.score.weight", "["]),
        ("misshapen", "qwen3", Code::AdapterMismatch, &["layers.1.self_attn.q_proj.lora_A", "[32, 2]", "[2, 32]"]),
        ("wrong-rank", "qwen3", Code::AdapterFormat, &["rank 2", "rank 3", "lora_A"]),
        ("rank-zero", "qwen3", Code::AdapterFormat, &["`r` is 0"]),
        ("nan", "qwen3", Code::AdapterFormat, &["layers.1", "lora_B", "NaN"]),
        ("infinite", "qwen3", Code::AdapterFormat, &["layers.1", "lora_A", "inf"]),
        ("integers", "qwen3", Code::Unsupported, &["layers.1", "I32", "BF16"]),
        ("bad-regex", "qwen3", Code::AdapterFormat, &["q_proj(", "adapter_config.json"]),
        ("bad-json", "qwen3", Code::AdapterFormat, &["adapter_config.json", "not valid JSON"]),
        ("truncated", "qwen3", Code::AdapterFormat, &["adapter_model.safetensors", "cut-off"]),
        ("no-weights", "qwen3", Code::Io, &["adapter_model.safetensors"]),
    ];
    let refused = fixtures().join("lora/refused");
    for (name, base_name, code, words) in cases {
        let err = Adapter::load(&refused.join(name), base(base_name)).unwrap_err();
        assert_eq!(err.code(), *code, "{name}: {err}");
        assert!(err.details()["path"].as_str().is_some_and(|path| path.contains(name)), "{name}: {:?}", err.details());
        for word in *words {
            assert!(err.message().contains(word), "{name}: `{word}` is not in: {err}");
        }
    }
    assert_eq!(std::fs::read_dir(refused).unwrap().count(), cases.len(), "a fixture without a test");
}

#[test]
fn an_adapter_of_another_base_is_a_mismatch() {
    let plain = fixtures().join("lora/qwen2/plain");
    let err = Adapter::load(&plain, base("qwen3")).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    assert!(err.details().contains_key("found") && err.details().contains_key("expected"), "{err}");

    let mut deeper = base("qwen2");
    deeper.num_hidden_layers = 3;
    let err = Adapter::load(&plain, deeper).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    assert!(err.message().contains("layers.2") && err.message().contains("fewer layers"), "{err}");
}

#[test]
fn damaged_headers_are_errors_and_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let plain = fixtures().join("lora/qwen2/plain");
    std::fs::copy(plain.join(config::FILE_NAME), dir.path().join(config::FILE_NAME)).unwrap();
    let good = std::fs::read(plain.join(FILE_NAME)).unwrap();
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    let header = br#"{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,64]}}"#;
    let overflow = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 64]].concat();
    let longer = [&good[..], &[0; 16]].concat();
    let offsets = br#"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#;
    let offsets = [&(offsets.len() as u64).to_le_bytes()[..], offsets].concat();
    for (what, bytes) in [
        ("empty", vec![]),
        ("a claim of 2^60 bytes", huge),
        ("overflowing shape", overflow),
        ("trailing bytes", longer),
        ("offsets of 2^64", offsets),
        ("cut in the header", good[..100].to_vec()),
        ("no JSON", [&4u64.to_le_bytes()[..], b"abcd"].concat()),
    ] {
        std::fs::write(dir.path().join(FILE_NAME), bytes).unwrap();
        let err = Adapter::load(dir.path(), base("qwen2")).unwrap_err();
        assert_eq!(err.code(), Code::AdapterFormat, "{what}: {err}");
        assert!(err.message().contains(FILE_NAME), "{what}: {err}");
    }
    // Any one damaged byte of the header: an error, or the same tensors (a changed space, say), never a panic.
    let header_len = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for place in 0..header_len {
        let mut flipped = good.clone();
        flipped[place] ^= 1 << (place % 8);
        std::fs::write(dir.path().join(FILE_NAME), &flipped).unwrap();
        if let Err(err) = Adapter::load(dir.path(), base("qwen2")) {
            assert_ne!(err.code(), Code::Internal, "byte {place}: {err}");
        }
    }
    for cut in (0..good.len()).step_by(97) {
        std::fs::write(dir.path().join(FILE_NAME), &good[..cut]).unwrap();
        assert_eq!(Adapter::load(dir.path(), base("qwen2")).unwrap_err().code(), Code::AdapterFormat, "cut at {cut}");
    }
}

#[test]
fn a_pickle_alone_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let plain = fixtures().join("lora/qwen2/plain");
    std::fs::copy(plain.join(config::FILE_NAME), dir.path().join(config::FILE_NAME)).unwrap();
    std::fs::write(dir.path().join("adapter_model.bin"), b"pickle").unwrap();
    let err = Adapter::load(dir.path(), base("qwen2")).unwrap_err();
    assert!(err.message().contains("safe_serialization=True"), "{err}");
    assert_eq!(Adapter::load(&dir.path().join("nowhere"), base("qwen2")).unwrap_err().code(), Code::Io);
}

/// Real adapters from public repositories; their bases are not there.
#[test]
fn real_adapters_are_refused_for_what_they_are() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets/adapters");
    if !assets.is_dir() {
        println!("SKIPPED: real_adapters_are_refused_for_what_they_are: no ../shared/assets/adapters");
        return;
    }
    let err = Adapter::load(&assets.join("trl-kto"), base("qwen2")).unwrap_err();
    assert_eq!(err.code(), Code::Unsupported);
    assert!(err.message().contains("fan_in_fan_out"), "{err}");
    let err = Adapter::load(&assets.join("WorkforLLM-gemma3-270m"), base("qwen2")).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    // Its base by shape: Gemma 3 270M has 18 layers of hidden size 640, 4 heads and 1 KV head of 256.
    let gemma = of_shapes(18, 640, 1024, 256, 2048);
    let adapter = Adapter::load(&assets.join("WorkforLLM-gemma3-270m"), gemma.named("gemma")).unwrap();
    assert_eq!(adapter.weights().len(), 36);
    assert_eq!(adapter.info()["base_model_name_differs"], true);
    assert_eq!(scaling(&adapter, 17, "self_attn.v_proj"), 4.0);
}

#[test]
fn what_matches_nothing_is_noted_when_loaded_and_refused_when_trained() {
    let dir = tempfile::tempdir().unwrap();
    let plain = LoraConfig { target_modules: TargetModules::List(vec!["q_proj".into()]), ..Default::default() };
    trained(&plain, &base("qwen2"), 4).save(&dir.path().join("a")).unwrap();
    let config = dir.path().join("a/adapter_config.json");
    let original: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    for (key, value, named) in [
        ("rank_pattern", json!({"k_proj": 3}), "k_proj"),
        ("alpha_pattern", json!({"q_porj": 3.0}), "q_porj"),
        ("exclude_modules", json!(["up_proj"]), "up_proj"),
        ("exclude_modules", json!(".*mlp.*"), ".*mlp.*"),
        ("target_modules", json!(["q_proj", "W_pack"]), "W_pack"),
        ("layers_to_transform", json!([0, 1, 99]), "99"),
    ] {
        let mut changed = original.clone();
        changed[key] = value;
        std::fs::write(&config, changed.to_string()).unwrap();
        let notes = Adapter::load(&dir.path().join("a"), base("qwen2")).unwrap().info()["notes"].clone();
        assert_eq!(notes.as_array().unwrap().len(), 1, "{key}: {notes}");
        assert!(notes[0].as_str().unwrap().contains(key) && notes[0].as_str().unwrap().contains(named), "{notes}");
        let config = LoraConfig::from_value(changed).unwrap();
        let err = Adapter::new_for_training(&config, base("qwen2"), 1).unwrap_err();
        assert!(err.code() == Code::InvalidOptions && err.message().contains(named), "{err}");
    }
}

#[test]
fn numbers_beyond_f32_are_refused() {
    let base = base("qwen2");
    let one = trained(&LoraConfig::default(), &base, 4);
    for scale in [1e300, -1e39] {
        let err = Adapter::merge("m", &[(one.clone(), scale)]).unwrap_err();
        assert!(err.code() == Code::InvalidArgument && err.message().contains("f32 cannot hold"), "{err}");
        assert_eq!(one.attach_to(&mut LoraStack::none(), scale).unwrap_err().code(), Code::InvalidArgument);
    }
    let config = LoraConfig { lora_alpha: 1e300, ..Default::default() };
    assert!(Adapter::new_for_training(&config, base, 1).unwrap_err().message().contains("the alpha"));
}

#[test]
fn what_is_no_adapter_is_called_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("run/checkpoint-20")).unwrap();
    std::fs::write(dir.path().join("run/checkpoint-20/adapter_config.json"), "{}").unwrap();
    std::fs::write(dir.path().join("adapter_model.safetensors"), "").unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for (path, word) in [
        (fixtures().join("models/qwen2"), "is a model's folder"),
        (dir.path().join("adapter_model.safetensors"), "is a file; expected an adapter's folder"),
        (dir.path().join("run"), "checkpoint-20"),
        (dir.path().join("empty"), "has no adapter_config.json"),
    ] {
        let err = Adapter::load(&path, base("qwen2")).unwrap_err();
        assert!(err.code() == Code::AdapterFormat && err.message().contains(word), "{err}");
    }
}

#[test]
fn weights_of_other_sites_are_refused() {
    let fresh = Adapter::new_for_training(&LoraConfig::default(), base("qwen2"), 1).unwrap();
    let mut weights = fresh.weights().to_vec();
    weights.push(weights[0].clone());
    assert_eq!(fresh.with_weights(weights.clone()).unwrap_err().code(), Code::Internal);
    weights.truncate(3);
    assert_eq!(fresh.with_weights(weights.clone()).unwrap_err().code(), Code::Internal);
    assert_eq!(fresh.with_weights(fresh.weights().iter().rev().cloned().collect()).unwrap_err().code(), Code::Internal);
}
