//! An `adapter_config.json` as PEFT writes it, and what of it this library cannot do.

use super::config::*;
use super::modules::TargetModules;
use crate::error::{Code, Result};
use crate::model::APART;
use serde_json::{Value, json};

fn with(key: &str, value: Value) -> Result<LoraConfig> {
    let mut config = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]});
    config[key] = value;
    LoraConfig::from_value(config)
}

#[test]
fn what_would_change_the_result_is_refused_by_name() {
    for (key, value) in [
        ("use_dora", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("bias", json!("all")),
        ("lora_bias", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("peft_type", json!("LOHA")),
        ("task_type", json!("SEQ_CLS")),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("trainable_token_indices", json!([1, 2])),
        ("layer_replication", json!([[0, 4]])),
        ("alora_invocation_tokens", json!([5])),
        ("use_qalora", json!(true)),
        ("use_bdlora", json!({"nblocks": 2})),
        ("target_parameters", json!(["experts"])),
        ("megatron_config", json!({"a": 1})),
        ("some_key_of_2031", json!(3)),
    ] {
        let err = with(key, value.clone()).unwrap_err();
        assert_eq!(err.code(), Code::Unsupported, "{key}: {err}");
        assert!(err.message().contains(key) && err.message().contains(&value.to_string()), "{err}");
    }
}

#[test]
fn what_changes_nothing_is_accepted() {
    for (key, value) in [
        ("use_dora", json!(false)),
        ("modules_to_save", json!([])),
        ("loftq_config", json!({})),
        ("eva_config", json!({"rho": 2.0})),
        ("init_lora_weights", json!("gaussian")),
        ("peft_version", json!("0.21.2")),
        ("some_key_of_2031", Value::Null),
    ] {
        assert!(with(key, value).is_ok(), "{key}");
    }
    assert_eq!(with("layers_to_transform", json!(3)).unwrap().layers_to_transform, Some(vec![3]));
}

#[test]
fn wrong_values_name_the_key() {
    for (key, value) in [
        ("r", json!(0)),
        ("r", json!(-1)),
        ("r", json!("8")),
        ("lora_alpha", json!("x")),
        ("rank_pattern", json!({"q_proj": 0})),
        ("lora_dropout", json!(2)),
        ("target_modules", json!(7)),
        ("layers_pattern", json!("layers")),
    ] {
        let err = with(key, value).unwrap_err();
        assert_eq!(err.code(), Code::AdapterFormat, "{err}");
        assert!(err.message().contains(key) || err.message().contains("q_proj"), "{err}");
    }
    assert!(LoraConfig::from_value(json!([])).is_err());
    assert_eq!(LoraConfig::from_value(json!({"r": 4})).unwrap_err().code(), Code::Unsupported);
}

#[test]
fn writing_and_reading_gives_the_same() {
    let config = LoraConfig {
        lora_alpha: 12.5,
        use_rslora: true,
        rank_pattern: [("q_proj".to_owned(), 4)].into_iter().collect(),
        alpha_pattern: [("q_proj".to_owned(), 3.0)].into_iter().collect(),
        target_modules: TargetModules::List(vec!["q_proj".to_owned(), "up_proj".to_owned()]),
        exclude_modules: Some(TargetModules::Pattern(r".*\.0\..*".to_owned())),
        layers_to_transform: Some(vec![1]),
        layers_pattern: vec!["layers".to_owned()],
        lora_dropout: 0.05,
        base_model_name_or_path: Some("base".to_owned()),
        r: 16,
    };
    assert_eq!(LoraConfig::from_value(config.to_value(&APART)).unwrap(), config);
    assert_eq!(config.to_value(&APART)["alpha_pattern"]["q_proj"].to_string(), "3");
    let names = LoraConfig::default().to_value(&APART)["target_modules"].clone();
    assert_eq!(names, json!(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]));
}
