//! Adapters that PEFT wrote, and what we write ourselves.

use super::load::FILE_NAME;
use super::tensor_names::{Factor, tensor_name};
use super::*;
use crate::model::{APART, Sites};
use crate::tensor::{Device, Matrix};
use candle_core::{DType, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The shapes of a model of `tests/fixtures/models`, from its config.
pub(super) fn base(name: &str) -> AdapterBase {
    let text = std::fs::read_to_string(fixtures().join("models").join(name).join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let get = |key: &str| config[key].as_u64().map(|number| number as usize);
    let (hidden, heads, ffn) =
        (get("hidden_size").unwrap(), get("num_attention_heads").unwrap(), get("intermediate_size").unwrap());
    let head_dim = get("head_dim").unwrap_or(hidden / heads);
    let (q, kv) = (heads * head_dim, get("num_key_value_heads").unwrap() * head_dim);
    of_shapes(get("num_hidden_layers").unwrap(), hidden, q, kv, ffn).named(name)
}

/// A base of so many layers and widths.
pub(super) fn of_shapes(num_layers: usize, hidden: usize, q: usize, kv: usize, ffn: usize) -> AdapterBase {
    AdapterBase::new(Sites { table: &APART, num_layers }, &Device::host(), |module| match module.name() {
        "q_proj" => (q, hidden),
        "k_proj" | "v_proj" => (kv, hidden),
        "o_proj" => (hidden, q),
        "gate_proj" | "up_proj" => (ffn, hidden),
        _ => (hidden, ffn),
    })
}

fn site(layer: usize, path: &str) -> Site {
    Site { layer, module: APART.module(path).unwrap() }
}

pub(super) fn scaling(adapter: &Adapter, layer: usize, path: &str) -> f64 {
    adapter.weights().iter().find(|(known, _)| *known == site(layer, path)).unwrap().1.scaling
}

/// An adapter whose B is not zero, so that merging has something to do.
pub(super) fn trained(config: &LoraConfig, base: &AdapterBase, seed: u64) -> Adapter {
    let fresh = Adapter::new_for_training(config, base.clone(), seed).unwrap();
    let twin = Adapter::new_for_training(config, base.clone(), seed + 1).unwrap();
    let weights = fresh.weights().iter().zip(twin.weights()).map(|((site, ours), (_, other))| {
        let b = other.a.values().unwrap().into_iter().cycle().take(ours.b.len()).collect();
        let b = Matrix::new(ours.b.rows(), ours.b.cols(), b, &Device::host()).unwrap();
        (*site, LoraWeights::new(ours.a.clone(), Arc::new(b), ours.scaling))
    });
    fresh.with_weights(weights.collect()).unwrap()
}

/// The whole update of a site, `[out, in]`.
fn delta(adapter: &Adapter, at: Site) -> Vec<f32> {
    let (out_features, in_features) = adapter.base().shape(at.module);
    let zero = Matrix::zeros(out_features, in_features, &Device::host()).unwrap();
    adapter.merged_weight(at, &zero).unwrap().into_values().unwrap()
}

/// Differences up to `tolerance` times the largest expected value.
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "nothing to compare");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * largest, "{found} {expected}");
    }
}

#[test]
fn adapters_written_by_peft_load() {
    let mut loaded = 0;
    for base_name in ["qwen2", "qwen3"] {
        for entry in std::fs::read_dir(fixtures().join("lora").join(base_name)).unwrap() {
            let dir = entry.unwrap().path();
            if !dir.is_dir() {
                continue;
            }
            let adapter = Adapter::load(&dir, base(base_name)).unwrap_or_else(|err| panic!("{}: {err}", dir.display()));
            assert_eq!(adapter.name(), dir.file_name().unwrap().to_str().unwrap());
            assert_eq!(adapter.version().len(), 8);
            loaded += 1;
        }
    }
    assert!(loaded >= 13, "{loaded}");
    let plain = Adapter::load(&fixtures().join("lora/qwen2/plain"), base("qwen2")).unwrap();
    assert_eq!(plain.weights().len(), 4);
    assert_eq!(scaling(&plain, 0, "self_attn.q_proj"), 4.0);
    let rslora = Adapter::load(&fixtures().join("lora/qwen2/rslora"), base("qwen2")).unwrap();
    let config = rslora.config();
    assert_eq!(scaling(&rslora, 0, "self_attn.q_proj"), config.lora_alpha / (config.r as f64).sqrt());
    let layers = Adapter::load(&fixtures().join("lora/qwen2/layers"), base("qwen2")).unwrap();
    assert!(layers.weights().iter().all(|(site, _)| site.layer == 1));
    assert_eq!(layers.info()["base"]["name"], "qwen2");
}

/// The older names `….lora_A.default.weight`, f16, and a name in both forms.
#[test]
fn older_names_and_halves_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let plain = fixtures().join("lora/qwen2/plain");
    std::fs::copy(plain.join(config::FILE_NAME), dir.path().join(config::FILE_NAME)).unwrap();
    let tensors = candle_core::safetensors::load(plain.join(FILE_NAME), &candle_core::Device::Cpu).unwrap();
    let mut older: HashMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| (name.replace(".weight", ".default.weight"), tensor.to_dtype(DType::F16).unwrap()))
        .collect();
    candle_core::safetensors::save(&older, dir.path().join(FILE_NAME)).unwrap();
    let old = Adapter::load(dir.path(), base("qwen2")).unwrap();
    let new = Adapter::load(&plain, base("qwen2")).unwrap();
    let at = site(1, "self_attn.v_proj");
    assert_close(&delta(&old, at), &delta(&new, at), 2e-3);

    let name = tensor_name(at, Factor::A);
    older.insert(name.clone(), older[&name.replace(".weight", ".default.weight")].clone());
    candle_core::safetensors::save(&older, dir.path().join(FILE_NAME)).unwrap();
    let err = Adapter::load(dir.path(), base("qwen2")).unwrap_err();
    assert!(err.message().contains("mean the same tensor"), "{err}");
}

#[test]
fn saving_and_loading_keeps_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let identified = AdapterBase { sha256: Some("aa11".into()), ..base("qwen2").named("company/base") };
    let config = LoraConfig { r: 3, lora_alpha: 7.5, use_rslora: true, ..Default::default() };
    let adapter = trained(&config, &identified, 11);
    let mut manifest =
        AdapterManifest { rows: Some(842), version: Some("20261123-n842-r3-3f9c".into()), ..Default::default() };
    manifest.metrics.insert("validation_loss".into(), json!(0.25));
    let adapter = adapter.with_manifest("hr_review", AdapterManifest { name: Some("hr_review".into()), ..manifest });
    let path = dir.path().join("new/hr");
    adapter.save(&path).unwrap();

    let mut files: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["adapter_config.json", "adapter_model.safetensors", "tailora.json"]);
    let again = Adapter::load(&path, identified.clone()).unwrap();
    assert_eq!((again.name(), again.version()), ("hr_review", "20261123-n842-r3-3f9c"));
    assert_eq!(again.sha256(), adapter.sha256());
    assert_eq!(again.manifest(), adapter.manifest());
    assert_eq!(again.info()["manifest"]["metrics"]["validation_loss"], 0.25);
    assert_eq!(again.config().base_model_name_or_path.as_deref(), Some("company/base"));
    for ((_, a), (_, b)) in adapter.weights().iter().zip(again.weights()) {
        assert_eq!(a.scaling, b.scaling);
    }

    let err = adapter.save(&path).unwrap_err();
    assert!(err.message().contains("choose a new folder, or `overwrite` an adapter"), "{err}");
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    adapter.save(&dir.path().join("empty")).unwrap();

    let other = AdapterBase { sha256: Some("bb22".into()), ..base("qwen2").named("company/other") };
    let err = Adapter::load(&path, other).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch);
    assert!(err.message().contains("aa11") && err.message().contains("bb22"), "{err}");
    assert!(err.message().contains("allow_base_mismatch"), "{err}");
    assert!(Adapter::load(&path, base("qwen2")).is_ok(), "a base of unknown hash is not refused");

    let allowed = AdapterOptions { allow_base_mismatch: true, name: Some("renamed".into()) };
    let other = AdapterBase { sha256: Some("bb22".into()), ..base("qwen2").named("company/other") };
    let loaded = Adapter::load_with(&path, other, &allowed).unwrap();
    let notes = loaded.info()["notes"].to_string();
    assert!(notes.contains("aa11") && notes.contains("bb22"), "{notes}");
    // It stays the adapter of the base that it was trained on, and may be used on the one that is loaded.
    assert_eq!(loaded.manifest().base.sha256.as_deref(), Some("aa11"));
    assert_eq!((loaded.name(), loaded.base().sha256.as_deref()), ("renamed", Some("bb22")));
    assert_eq!(Adapter::load_with(&path, base("qwen3"), &allowed).unwrap_err().code(), Code::AdapterMismatch);
}

#[test]
fn a_fresh_adapter_is_the_base_and_depends_on_the_seed_only() {
    let config = LoraConfig { r: 5, ..Default::default() };
    let (one, same, other) = (
        Adapter::new_for_training(&config, base("qwen3"), 1).unwrap(),
        Adapter::new_for_training(&config, base("qwen3"), 1).unwrap(),
        Adapter::new_for_training(&config, base("qwen3"), 2).unwrap(),
    );
    assert_eq!(one.sha256(), same.sha256());
    assert_ne!(one.sha256(), other.sha256());
    assert_eq!(one.weights().len(), 14);
    for (site, weights) in one.weights() {
        assert!(weights.b.values().unwrap().iter().all(|value| *value == 0.0));
        let (_, in_features) = one.base().shape(site.module);
        let bound = 1.0 / (in_features as f32).sqrt();
        let a = weights.a.values().unwrap();
        assert!(a.iter().all(|value| value.abs() <= bound));
        assert!(a.iter().any(|value| value.abs() > bound * 0.9));
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < bound * 0.25, "{mean}");
    }
    // The bits are part of the promise "same seed, same bits", on every platform.
    let first: Vec<u32> = one.weights()[0].1.a.values().unwrap()[..3].iter().map(|value| value.to_bits()).collect();
    assert_eq!(first, GOLDEN_BITS);
}

const GOLDEN_BITS: [u32; 3] = [1038830195, 1043050983, 1037507535];

#[test]
fn target_modules_mean_what_they_mean_in_peft() {
    let sites = |config: LoraConfig| -> Vec<String> {
        config.targeted_sites(&base("qwen2")).unwrap().into_iter().map(|target| target.site.path()).collect()
    };
    let list = |names: &[&str]| TargetModules::List(names.iter().map(|name| name.to_string()).collect());
    let with = |target_modules| LoraConfig { target_modules, ..Default::default() };

    assert_eq!(sites(with(TargetModules::all_linear())).len(), 14);
    assert_eq!(sites(with(TargetModules::Pattern("ALL-Linear".into()))).len(), 14);
    assert_eq!(sites(with(list(&["proj", "q_proj"]))).len(), 2, "only whole parts of a name match");
    assert_eq!(sites(with(list(&["1.mlp.up_proj"]))), ["model.layers.1.mlp.up_proj"]);
    assert_eq!(sites(with(TargetModules::Pattern(r".*\.[qv]_proj".into()))).len(), 4);
    let without = LoraConfig { exclude_modules: Some(list(&["layers.0.self_attn.q_proj"])), ..with(list(&["q_proj"])) };
    assert_eq!(sites(without), ["model.layers.1.self_attn.q_proj"]);
    let without = LoraConfig {
        exclude_modules: Some(TargetModules::Pattern(".*mlp.*".into())),
        ..with(TargetModules::all_linear())
    };
    assert_eq!(sites(without).len(), 8);
    let layered = |names: &[&str], pattern: &[&str]| LoraConfig {
        layers_to_transform: Some(vec![1]),
        layers_pattern: pattern.iter().map(|name| name.to_string()).collect(),
        ..with(list(names))
    };
    assert_eq!(sites(layered(&["q_proj"], &[])), ["model.layers.1.self_attn.q_proj"]);
    assert_eq!(sites(layered(&["q_proj"], &["h", "layers"])), ["model.layers.1.self_attn.q_proj"]);
    // A full name is taken whatever the layer filter says, as in PEFT.
    assert_eq!(sites(layered(&["model.layers.0.mlp.up_proj"], &[])), ["model.layers.0.mlp.up_proj"]);
    assert!(layered(&["q_proj"], &["h"]).targeted_sites(&base("qwen2")).is_err());

    for (targets, code) in [
        (list(&["q_proj", "lm_head"]), Code::Unsupported),
        (TargetModules::Pattern(".*".into()), Code::Unsupported),
        (list(&["c_attn"]), Code::AdapterMismatch),
        (list(&[]), Code::AdapterMismatch),
        (TargetModules::Pattern("q_proj".into()), Code::AdapterMismatch),
    ] {
        assert_eq!(with(targets.clone()).targeted_sites(&base("qwen2")).unwrap_err().code(), code, "{targets}");
    }
    let err = Adapter::new_for_training(&with(list(&["q_proj", "v_prj"])), base("qwen2"), 0).unwrap_err();
    assert!(err.message().contains("v_prj") && err.message().contains("v_proj"), "{err}");
}

#[test]
fn a_merged_stack_is_the_sum_of_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let base = base("qwen2");
    let all = LoraConfig { r: 4, lora_alpha: 6.0, ..Default::default() };
    let some = LoraConfig {
        r: 2,
        lora_alpha: 5.0,
        use_rslora: true,
        rank_pattern: [("layers.1.self_attn.q_proj".to_owned(), 3)].into_iter().collect(),
        target_modules: TargetModules::List(vec!["q_proj".into(), "model.layers.1.mlp.up_proj".into()]),
        ..Default::default()
    };
    let (all, some) = (trained(&all, &base, 1), trained(&some, &base, 5));
    let stack = [(all.clone(), 0.7), (some.clone(), -1.3), (all.clone(), 0.25)];
    let merged = Adapter::merge("both", &stack).unwrap();
    let path = dir.path().join("both");
    merged.save(&path).unwrap();
    let reloaded = Adapter::load(&path, base.clone()).unwrap();
    assert_eq!(reloaded.sha256(), merged.sha256());
    for at in base.sites().iter() {
        let mut sum = vec![0f32; delta(&all, at).len()];
        for (adapter, scale) in &stack {
            sum.iter_mut().zip(delta(adapter, at)).for_each(|(sum, part)| *sum += part * *scale as f32);
        }
        assert_close(&delta(&reloaded, at), &sum, 1e-6);
    }
    let q = merged.weights().iter().find(|(known, _)| *known == site(1, "self_attn.q_proj")).unwrap();
    assert_eq!(q.1.a.rows(), 11);
    assert_eq!(merged.manifest().merged_from[1]["scale"], -1.3);

    assert_eq!(Adapter::merge("none", &[]).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(Adapter::merge("nan", &[(all.clone(), f64::NAN)]).unwrap_err().code(), Code::InvalidArgument);
    let other = trained(&LoraConfig::default(), &self::base("qwen3"), 1);
    assert_eq!(Adapter::merge("x", &[(all, 1.0), (other, 1.0)]).unwrap_err().code(), Code::AdapterMismatch);
}

#[test]
fn attaching_multiplies_the_scale() {
    let plain = Adapter::load(&fixtures().join("lora/qwen2/plain"), base("qwen2")).unwrap();
    let mut stack = LoraStack::none();
    plain.attach_to(&mut stack, 0.5).unwrap();
    plain.attach_to(&mut stack, 2.0).unwrap();
    let at: Vec<f64> = stack.at(site(1, "self_attn.q_proj")).iter().map(|weights| weights.scaling).collect();
    assert_eq!(at, [2.0, 8.0]);
    assert!(stack.at(site(1, "self_attn.k_proj")).is_empty());
    assert_eq!(plain.attach_to(&mut stack, f64::INFINITY).unwrap_err().code(), Code::InvalidArgument);
}
