//! RoPE as configs have it.

use super::*;
use serde_json::{Value, json};

#[test]
fn the_older_and_the_newer_form_agree() {
    let older = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}});
    let newer = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}});
    let (a, b) = (RopeScaling::of_json(&older, 8, 64).unwrap(), RopeScaling::of_json(&newer, 8, 64).unwrap());
    assert_eq!(a.inv_freq, b.inv_freq);
    assert_eq!(a.inv_freq[0], 0.25);
}

#[test]
fn frequencies_equal_those_of_transformers() {
    let ops = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ops");
    for name in ["rope", "rope_llama3", "rope_linear", "rope_yarn"] {
        let bytes = std::fs::read(ops.join(format!("{name}.safetensors"))).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let settings: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["settings"]).unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
        let expected: Vec<f32> = tensors["inv_freq"].to_vec1().unwrap();
        let found = RopeScaling::of_json(&json!({"rope_parameters": settings}), 16, 512).unwrap();
        assert_eq!(found.inv_freq.len(), expected.len());
        for (f, e) in found.inv_freq.iter().zip(&expected) {
            assert!((f - e).abs() <= 2e-6 * e, "{name}: {f}, transformers has {e}");
        }
    }
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let err = |config: Value| RopeScaling::of_json(&config, 8, 64).unwrap_err().message().to_string();
    assert!(err(json!({"rope_scaling": {"rope_type": "llama3"}})).contains("needs `factor`"));
    assert!(err(json!({"rope_scaling": {"rope_type": "longrope"}})).contains("needs `long_factor`"));
    assert!(err(json!({"rope_scaling": {"rope_type": "linear", "factor": -1}})).contains("positive"));
    assert!(err(json!({"rope_theta": 0})).contains("rope_theta"));
}

/// The contexts are those of vLLM; "as it is" where the config already says the longer one.
#[test]
fn yarn_makes_the_context_longer() {
    let context =
        |max: usize, scaling: Value| RopeScaling::of_json(&json!({"rope_scaling": scaling}), 8, max).unwrap().context;
    let qwen = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768});
    assert_eq!(context(32768, qwen.clone()), 131_072);
    assert_eq!(context(131_072, qwen), 131_072);
    assert_eq!(context(32768, json!({"rope_type": "yarn", "factor": 2.5})), 81_920);
    assert_eq!(context(40960, json!({"rope_type": "yarn", "original_max_position_embeddings": 32768})), 40960);
    assert_eq!(context(4096, json!({"rope_type": "linear", "factor": 4.0})), 4096);
    assert_eq!(context(4096, Value::Null), 4096);
}

#[test]
fn what_contradicts_itself_or_is_of_another_type_is_named() {
    for (config, word) in [
        (json!({"rope_theta": "x"}), "`rope_theta` is \"x\"; expected a number"),
        (json!({"rope_theta": true}), "`rope_theta` is true"),
        (json!({"rope_scaling": "yarn"}), "rope_scaling is \"yarn\"; expected an object"),
        (json!({"rope_scaling": [4]}), "rope_scaling is a list of 1"),
        (json!({"rope_scaling": {"factor": 4}}), "no `rope_type`"),
        (json!({"rope_scaling": {"rope_type": 4}}), "`rope_scaling.rope_type` is 4"),
        (json!({"rope_scaling": {"rope_type": "linear", "type": "yarn", "factor": 2}}), "expected one of them"),
        (json!({"rope_scaling": {"type": "yarn", "factor": 0.5}}), "`factor` is 0.5"),
        (json!({"rope_scaling": {"type": "yarn", "factor": 1e300}}), "`factor` is"),
        (json!({"rope_scaling": {"type": "yarn", "factor": "4"}}), "`rope_scaling.factor` is \"4\""),
        (json!({"rope_scaling": {"type": "yarn", "factor": 4, "attention_factor": -1}}), "attention_factor"),
        (json!({"rope_scaling": {"type": "yarn", "factor": 4, "truncate": 1}}), "truncate"),
        (json!({"rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]}}), "mrope_section"),
        (json!({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}), "full_attention"),
        (json!({"rope_theta": 1e6, "rope_parameters": {"rope_theta": 1e4}}), "expected one of them"),
        (
            json!({"rope_parameters": {"rope_type": "default"}, "rope_scaling": {"type": "linear", "factor": 4}}),
            "has the type default and `rope_scaling` linear",
        ),
        (
            json!({"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": {"type": "linear", "factor": 4}}),
            "`factor` differs",
        ),
    ] {
        let err = RopeScaling::of_json(&config, 8, 64).unwrap_err();
        assert!(err.message().contains(word), "{config}: {err}");
    }
    let twice = json!({
        "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
        "rope_scaling": {"type": "linear", "factor": 4},
    });
    RopeScaling::of_json(&twice, 8, 64).unwrap();
    let mut notes = Vec::new();
    let config = json!({"rope_scaling": {"type": "linear", "factor": 2, "new_thing": 3}});
    let sizes = Sizes { head_dim: 8, context: 64, ..Sizes::default() };
    let family = crate::model::families::family("llama").unwrap();
    RopeScaling::read(Fields::of(&config, "").unwrap(), family, &sizes, &mut notes).unwrap();
    assert!(notes[0].contains("new_thing"), "{notes:?}");
}
