//! The same adapters here and in Python's PEFT: logits with PEFT's adapters, merged and unmerged, and PEFT's logits with
//! ours. The numbers of the first kind are fixtures; the second kind needs `TAILORA_PYTHON`.

use super::tests::{fixtures, trained};
use super::*;
use crate::model::test_support::load_on;
use crate::model::{APART, Decoder};
use crate::tensor::DeviceChoice;
use candle_core::{DType, Device};
use std::path::Path;

fn decoder(dir: &Path) -> Decoder {
    load_on(dir, DeviceChoice::Cpu)
}

fn model(name: &str) -> std::path::PathBuf {
    fixtures().join("models").join(name)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn logits(decoder: &Decoder, ids: &[u32], stack: &LoraStack) -> Vec<f32> {
    let mut cache = decoder.new_cache(ids.len()).unwrap();
    let hidden = decoder.extend(ids, &mut cache, stack).unwrap();
    decoder.logits(&hidden).unwrap().into_values().unwrap()
}

fn stacked(adapters: &[(&Adapter, f64)]) -> LoraStack {
    let mut stack = LoraStack::none();
    adapters.iter().for_each(|(adapter, scale)| adapter.attach_to(&mut stack, *scale).unwrap());
    stack
}

/// The fixture's logits, `[positions][vocab]`, in row-major order; differences up to 1e-4 of values within ±13.
fn assert_logits(found: &[f32], expected: &Value, what: &str) {
    let expected: Vec<Vec<f32>> = serde_json::from_value(expected.clone()).unwrap();
    let expected = expected.concat();
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst < 1e-4, "{what}: off by {worst:e}");
}

/// The base with an adapter folded into its weights, as a model of its own.
fn base_of(decoder: &Decoder) -> AdapterBase {
    AdapterBase::try_from(decoder).unwrap()
}

fn merged_into_base(base_dir: &Path, decoder: &Decoder, adapter: &Adapter) -> Decoder {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = candle_core::safetensors::load(base_dir.join("model.safetensors"), &Device::Cpu).unwrap();
    for tensor in tensors.values_mut() {
        *tensor = tensor.to_dtype(DType::F32).unwrap();
    }
    for (site, _) in adapter.weights() {
        let weight = adapter.merged_weight(*site, &decoder.dense_weight(*site).unwrap()).unwrap();
        assert!(tensors.insert(format!("{}.weight", site.path()), weight.tensor().unwrap()).is_some());
    }
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    std::fs::copy(base_dir.join("config.json"), folder.path().join("config.json")).unwrap();
    self::decoder(folder.path())
}

#[test]
fn logits_equal_peft_merged_and_unmerged() {
    let mut compared = 0;
    for base_name in ["qwen2", "qwen3"] {
        let decoder = decoder(&model(base_name));
        for entry in std::fs::read_dir(fixtures().join("lora").join(base_name)).unwrap() {
            let dir = entry.unwrap().path();
            if !dir.is_dir() {
                continue;
            }
            let what = dir.display().to_string();
            let expected = read_json(&dir.join("expected.json"));
            let prompt = ids(&expected["input_ids"]);
            let adapter = Adapter::load(&dir, base_of(&decoder)).unwrap_or_else(|err| panic!("{what}: {err}"));
            assert_logits(&logits(&decoder, &prompt, &stacked(&[(&adapter, 1.0)])), &expected["logits"], &what);
            let merged = merged_into_base(&model(base_name), &decoder, &adapter);
            assert_logits(&logits(&merged, &prompt, &LoraStack::none()), &expected["merged_logits"], &what);
            compared += 1;
        }
    }
    assert!(compared >= 13, "{compared}");
}

#[test]
fn a_stack_equals_peft_and_its_own_merge() {
    for base_name in ["qwen2", "qwen3"] {
        let decoder = decoder(&model(base_name));
        let folder = fixtures().join("lora").join(base_name);
        let expected = read_json(&folder.join("stacked.json"));
        let prompt = ids(&expected["input_ids"]);
        let adapters: Vec<(Adapter, f64)> = expected["scales"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, scale)| {
                (Adapter::load(&folder.join(name), base_of(&decoder)).unwrap(), scale.as_f64().unwrap())
            })
            .collect();
        let stack = stacked(&adapters.iter().map(|(adapter, scale)| (adapter, *scale)).collect::<Vec<_>>());
        assert_logits(&logits(&decoder, &prompt, &stack), &expected["logits"], base_name);
        let merged = Adapter::merge("both", &adapters).unwrap();
        assert_logits(&logits(&decoder, &prompt, &stacked(&[(&merged, 1.0)])), &expected["logits"], base_name);
    }
}

/// What we save, PEFT loads: fresh configs of every kind, and a merged stack with its patterns.
#[test]
fn peft_reads_our_adapters_and_agrees() {
    let Some(python) = std::env::var_os("TAILORA_PYTHON") else {
        println!("SKIPPED: peft_reads_our_adapters_and_agrees: TAILORA_PYTHON does not name a Python with peft");
        return;
    };
    let (base_dir, dir) = (model("qwen2"), tempfile::tempdir().unwrap());
    let decoder = decoder(&base_dir);
    let base = base_of(&decoder);
    let patterns = LoraConfig {
        r: 4,
        lora_alpha: 6.5,
        rank_pattern: [(r"layers\.1\..*proj".to_owned(), 2), ("q_proj".to_owned(), 3)].into_iter().collect(),
        alpha_pattern: [("up_proj".to_owned(), 9.0)].into_iter().collect(),
        exclude_modules: Some(TargetModules::List(vec!["down_proj".into()])),
        ..Default::default()
    };
    let regex = LoraConfig {
        use_rslora: true,
        target_modules: TargetModules::Pattern(r"model\.layers\.\d+\.self_attn\.[qv]_proj".into()),
        ..Default::default()
    };
    let (patterns, regex) = (trained(&patterns, &base, 1), trained(&regex, &base, 2));
    let merged = Adapter::merge("merged", &[(patterns.clone(), 0.6), (regex.clone(), -0.4)]).unwrap();
    let all = trained(&LoraConfig::default(), &base, 3);
    let prompt = [1u32, 5, 9, 60, 200, 33, 7];
    for (name, adapter) in [("patterns", patterns), ("regex", regex), ("merged", merged), ("all", all)] {
        let path = dir.path().join(name);
        adapter.save(&path).unwrap();
        let output = std::process::Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/check_adapter.py"))
            .args([&path, &base_dir])
            .arg(format!("{prompt:?}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ours = logits(&decoder, &prompt, &stacked(&[(&adapter, 1.0)]));
        assert_logits(&ours, &theirs["logits"], name);
        assert_logits(&ours, &theirs["merged_logits"], name);
        let plain = logits(&decoder, &prompt, &LoraStack::none());
        assert!(ours.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 0.01), "{name} changes nothing");
    }
}

#[test]
fn an_adapter_saved_for_other_weights_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let decoder = decoder(&model("qwen2"));
    let path = dir.path().join("adapter");
    Adapter::new_for_training(&LoraConfig::default(), base_of(&decoder), 1).unwrap().save(&path).unwrap();
    assert!(Adapter::load(&path, base_of(&decoder)).is_ok());

    // The same shapes, one number differs.
    let copy = dir.path().join("base");
    std::fs::create_dir(&copy).unwrap();
    let mut tensors = candle_core::safetensors::load(model("qwen2").join("model.safetensors"), &Device::Cpu).unwrap();
    let name = format!("{}.weight", Site { layer: 0, module: APART.module("self_attn.q_proj").unwrap() }.path());
    tensors.insert(name.clone(), tensors[&name].affine(1.0, 1e-3).unwrap());
    candle_core::safetensors::save(&tensors, copy.join("model.safetensors")).unwrap();
    std::fs::copy(model("qwen2").join("config.json"), copy.join("config.json")).unwrap();
    let other = self::decoder(&copy);
    let err = Adapter::load(&path, base_of(&other)).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    assert!(
        err.message().contains(decoder.sha256().unwrap()) && err.message().contains(other.sha256().unwrap()),
        "{err}"
    );
}
