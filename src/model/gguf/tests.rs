//! GGUF files against the Hugging Face directories they were made of.

use super::writer::Writer;
use super::*;
use crate::model::test_support::*;
use crate::tensor::testing::{flat, relative_error};
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::Value as GgufValue;
use serde_json::Value;

fn written(dir: &Path, dtype: impl Fn(&str, &[usize]) -> GgmlDType) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    Writer::of(dir, dtype).write(&target.path().join("model.gguf"));
    target
}

#[test]
fn every_family_gives_the_logits_of_transformers() {
    for name in [
        "llama2",
        "llama3",
        "llama32",
        "llama-bias",
        "llama-linear",
        "qwen2",
        "qwen25-sharded",
        "qwen2-yarn",
        "qwen3",
        "qwen3-moe",
        "mistral-nemo",
        "internlm3",
        "phi3",
        "phi3-long",
        "phi4",
        "smollm3",
        "granite",
        "minicpm",
        "olmo2",
        "glm",
        "glm4",
        "gemma",
        "gemma2-even",
        "gemma3",
    ] {
        let dir = fixtures().join("models").join(name);
        let file = written(&dir, |_, _| GgmlDType::F32);
        // The directory is enough: it has one GGUF file and no config.json.
        let decoder = load(file.path()).unwrap_or_else(|err| panic!("{name}: {err}"));
        let expected = json(&dir.join("expected.json"));
        let error = relative_error(&logits(&decoder, &ids(&expected["input_ids"])), &matrix(&expected["logits"]));
        assert!(error < 2e-5, "{name}: relative error {error:e}");
        assert_eq!(decoder.weight_types().notes(), [""; 0], "{name}");
    }
}

#[test]
fn a_model_in_parts_is_the_whole() {
    let dir = fixtures().join("models/qwen3");
    let folder = tempfile::tempdir().unwrap();
    let whole = Writer::of(&dir, |_, _| GgmlDType::F32);
    let path = |part: usize| folder.path().join(format!("model-{part:05}-of-00003.gguf"));
    let write = |count: usize| {
        for part in 0..3 {
            let mut metadata = if part == 0 { whole.metadata.clone() } else { Default::default() };
            metadata.insert("split.no".to_owned(), GgufValue::U16(part as u16));
            metadata.insert("split.count".to_owned(), GgufValue::U16(3));
            metadata.insert("split.tensors.count".to_owned(), GgufValue::I32(count as i32));
            let dequantized = |tensor: &QTensor| {
                QTensor::quantize(&tensor.dequantize(&candle_core::Device::Cpu).unwrap(), GgmlDType::F32).unwrap()
            };
            let tensors = whole.tensors.iter().enumerate().filter(|(index, _)| index % 3 == part);
            let tensors = tensors.map(|(_, (name, tensor))| (name.clone(), dequantized(tensor))).collect();
            Writer { metadata, tensors }.write(&path(part + 1));
        }
    };
    write(whole.tensors.len());
    let expected = json(&dir.join("expected.json"));
    for given in [folder.path(), &path(1), &path(2)] {
        let decoder = load(given).unwrap();
        let error = relative_error(&logits(&decoder, &ids(&expected["input_ids"])), &matrix(&expected["logits"]));
        assert!(error < 2e-5, "{}: {error:e}", given.display());
        assert_eq!(decoder.stored().0, whole.tensors.len());
    }
    write(99);
    refusal(&path(1), Code::ModelFormat, &["`split.tensors.count` is 99"]);
    std::fs::remove_file(path(3)).unwrap();
    refusal(&path(1), Code::Io, &["model-00003-of-00003.gguf"]);
}

#[test]
fn half_precision_is_near() {
    let dir = fixtures().join("models/qwen2");
    let expected = json(&dir.join("expected.json"));
    for (dtype, tolerance) in [(GgmlDType::F16, 1e-2), (GgmlDType::BF16, 5e-2)] {
        let file = written(&dir, |_, _| dtype);
        let decoder = load(file.path()).unwrap();
        let error = relative_error(&logits(&decoder, &ids(&expected["input_ids"])), &matrix(&expected["logits"]));
        assert!(error < tolerance, "{dtype:?}: relative error {error:e}");
    }
}

#[test]
fn quantized_tensors_are_kept_as_they_are_stored() {
    let model = random_model(512);
    let prompt: Vec<u32> = (7..39).collect();
    let of = |kind: GgmlDType, head: GgmlDType| {
        written(model.path(), move |name: &str, _: &[usize]| if name == "output.weight" { head } else { kind })
    };
    for (name, kind, head) in [
        ("q8_0", GgmlDType::Q8_0, GgmlDType::Q8_0),
        ("q4_0", GgmlDType::Q4_0, GgmlDType::Q8_0),
        ("q5_0", GgmlDType::Q5_0, GgmlDType::Q8_0),
        ("q4_k", GgmlDType::Q4K, GgmlDType::Q6K),
        ("q5_k", GgmlDType::Q5K, GgmlDType::Q6K),
        ("q6_k", GgmlDType::Q6K, GgmlDType::Q6K),
    ] {
        let file = of(kind, head);
        for exact in [true, false] {
            let expected = load_as(model.path(), Some(name), exact).unwrap();
            let plan = load_as(file.path(), None, exact).unwrap();
            assert_eq!(plan.weight_types().types, expected.weight_types().types, "{name}");
            assert!(plan.weight_types().notes().is_empty(), "{name}");
            assert_eq!(flat(&logits(&plan, &prompt)), flat(&logits(&expected, &prompt)), "{name}");
        }
    }
}

#[test]
fn other_types_become_q8_and_the_model_says_so() {
    let model = random_model(512);
    let prompt: Vec<u32> = (7..39).collect();
    let expected = logits(&load(model.path()).unwrap(), &prompt);
    for (dtype, name, tolerance) in [
        (GgmlDType::Q4_1, "q4_1", 0.5),
        (GgmlDType::Q5_1, "q5_1", 0.3),
        (GgmlDType::Q2K, "q2k", 2.0),
        (GgmlDType::Q3K, "q3k", 0.8),
    ] {
        let file = written(model.path(), |_, _| dtype);
        let decoder = load(file.path()).unwrap();
        assert_eq!(decoder.weight_types().types.get("q8_0"), Some(&16), "{name}");
        let [note] = decoder.weight_types().notes().try_into().unwrap();
        assert!(note.contains(&format!("stored as {name}, kept in q8_0")), "{note}");
        let error = relative_error(&logits(&decoder, &prompt), &expected);
        assert!(error < tolerance, "{name}: {error}");
    }
}

#[test]
fn a_gguf_can_be_quantized_while_it_loads() {
    let model = random_model(512);
    let file = written(model.path(), |_, _| GgmlDType::F32);
    let prompt: Vec<u32> = (7..39).collect();
    let found = load_as(file.path(), Some("q4_k"), false).unwrap();
    let expected = load_as(model.path(), Some("q4_k"), false).unwrap();
    assert_eq!(flat(&logits(&found, &prompt)), flat(&logits(&expected, &prompt)));
}

/// The two trained models in the four types that llama.cpp's users have most.
#[test]
fn really_trained_models_give_the_known_text() {
    let Some(assets) = assets("gguf") else { return };
    let reference: Value = json(&assets.join("../models/reference.json"));
    for (model, expected) in reference.as_object().unwrap() {
        let prompt = ids(&expected["ids"]);
        let known = ids(&expected["greedy32"]);
        let top: Vec<(usize, f32)> = serde_json::from_value(expected["last_logits_top8"].clone()).unwrap();
        for (dtype, tolerance) in [("f32", 1e-3), ("f16", 5e-3), ("q8_0", 5e-2), ("q4_0", 0.5)] {
            let path = assets.join(format!("{}-{dtype}.gguf", model.trim_end_matches("-hf")));
            let decoder = load(&path).unwrap();
            let all = logits(&decoder, &prompt);
            let last = flat(&all.part(prompt.len() - 1..prompt.len()).unwrap());
            let scale = top[0].1;
            let worst = top.iter().map(|(id, logit)| (last[*id] - logit).abs() / scale).fold(0.0, f32::max);
            let text = likeliest(&decoder, &prompt, &known);
            let same = text.iter().zip(&known).take_while(|(a, b)| a == b).count();
            println!("{model} {dtype}: logits differ by {worst:.1e}, {same} of {} greedy tokens the same", known.len());
            println!("  kept: {:?} {:?}", decoder.weight_types().types, decoder.weight_types().notes());
            assert!(worst < tolerance, "{model} {dtype}: {worst}");
            assert!(same == known.len() || !["f32", "f16"].contains(&dtype), "{model} {dtype}: {text:?}");
        }
    }
}
