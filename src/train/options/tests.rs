//! Every way to give options, and every range.

use super::*;
use crate::error::Code;
use crate::options::Options;
use crate::options::{from_file, parse, schema};
use serde_json::json;

#[test]
fn yaml_and_json_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        from_file::<TrainOptions>(&path)
    };
    let yaml = "# house style\nname: hr_review\nr: 16\nlearning_rate: 2e-4\ntarget_modules: [q_proj, v_proj]\nrank_pattern:\n  zz_proj: 4\n  q_proj: 2\nlr_scheduler_type: linear\nuse_rslora: true\noutput_dir: runs/hr\n";
    let json = r#"{"name": "hr_review", "r": 16, "learning_rate": 0.0002, "target_modules": ["q_proj", "v_proj"], "rank_pattern": {"zz_proj": 4, "q_proj": 2}, "lr_scheduler_type": "linear", "use_rslora": true, "output_dir": "runs/hr"}"#;
    let (from_yaml, from_json) = (write("a.yaml", yaml).unwrap(), write("a.json", json).unwrap());
    assert_eq!(from_yaml, from_json);
    assert_eq!(from_yaml.learning_rate, 2e-4);
    assert_eq!(from_yaml.rank_pattern.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["zz_proj", "q_proj"]);
    assert_eq!(from_yaml.batch_size, 4);
    assert_eq!(write("empty.yml", "").unwrap(), TrainOptions::default());

    for (name, text, words) in [
        ("b.yaml", "learning_rat: 1", vec!["b.yaml", "learning_rate"]),
        ("c.yaml", "r: [", vec!["c.yaml", "YAML"]),
        ("d.json", "{", vec!["d.json", "JSON"]),
        ("e.toml", "r = 1", vec!["e.toml", ".yaml"]),
        ("f.yaml", "name: hr\nr: 0", vec!["f.yaml: line 2: ", "`r` is 0", "from 1 to 4096"]),
        ("g.yaml", "r: many", vec!["g.yaml: line 1: ", "train option `r`"]),
        ("h.json", "{\n  \"r\": 8,\n  \"lora_alfa\": 1\n}", vec!["h.json: line 3: ", "lora_alpha"]),
        ("i.json", "{\n  \"r\": 8,\n  \"r\": 1\n}", vec!["i.json: ", "twice"]),
        ("j.yaml", "- 1", vec!["j.yaml: ", "a list"]),
    ] {
        let err = write(name, text).unwrap_err();
        assert_eq!(err.code(), Code::InvalidOptions, "{err}");
        assert!(words.iter().all(|word| err.message().contains(word)), "{words:?}: {err}");
        assert_eq!(err.details().contains_key("line"), !name.starts_with(['e', 'j']), "{err}");
    }
    assert_eq!(from_file::<TrainOptions>(&dir.path().join("none.json")).unwrap_err().code(), Code::Io);
}

#[test]
fn each_range_is_checked_by_name() {
    for (key, value) in [
        ("r", json!(0)),
        ("r", json!(5000)),
        ("lora_alpha", json!(0)),
        ("lora_dropout", json!(1.0)),
        ("learning_rate", json!(-1e-4)),
        ("loraplus_lr_ratio", json!(0)),
        ("adam_beta2", json!(1)),
        ("adam_epsilon", json!(0)),
        ("warmup_ratio", json!(1.5)),
        ("num_train_epochs", json!(0)),
        ("batch_size", json!(0)),
        ("gradient_accumulation_steps", json!(0)),
        ("max_length", json!(4)),
        ("validation_share", json!(0.6)),
        ("validation_folds", json!(1)),
        ("validation_folds", json!(41)),
        ("memorisation_samples", json!(9)),
        ("logging_steps", json!(0)),
        ("checkpoint_steps", json!(5)),
        ("resume_from_checkpoint", json!(true)),
        ("name", json!("a/b")),
        ("name", json!("..")),
        ("name", json!("")),
        ("name", json!("𠮷".repeat(64))),
        ("output_dir", json!("")),
        ("output_dir", json!(" \t")),
        ("output_dir", json!("a\0b")),
        ("rank_pattern", json!({"q_proj": 0})),
        ("alpha_pattern", json!({"q_proj": -1})),
    ] {
        let err = parse::<TrainOptions>(Some(&json!({ key: value }).to_string())).unwrap_err();
        assert_eq!(err.code(), Code::InvalidOptions, "{err}");
        assert!(err.message().contains(&format!("`{key}")), "{key}: {err}");
    }
    assert!(parse::<TrainOptions>(Some(r#"{"rank_pattern": {"q_proj(": 2}}"#)).is_err());
    let err = parse::<TrainOptions>(Some(r#"{"rank_pattern": {"q_proj": -2}}"#)).unwrap_err();
    assert!(err.message().starts_with("train option `rank_pattern.q_proj` is -2; expected a whole number"), "{err}");
    assert!(parse::<TrainOptions>(Some(r#"{"seed": -1}"#)).is_err());
    for name in ["人才评价", &"评".repeat(64), &"𠮷".repeat(48)] {
        assert_eq!(parse::<TrainOptions>(Some(&json!({ "name": name }).to_string())).unwrap().name, name);
    }
}

#[test]
fn every_option_is_described_and_the_defaults_pass() {
    TrainOptions::default().validate().unwrap();
    let schema = schema::<TrainOptions>();
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}: {property}");
    }
}
