//! The decoder against numbers that transformers and PEFT computed (`tests/fixtures/README.md`).

use super::test_support::*;
use super::*;
use crate::error::Code;
use crate::ops::lora::LoraGrad;
use crate::tensor::testing::{flat, relative_error};
use crate::tensor::{DeviceChoice, Matrix, available_devices};
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folders of fixtures below `kind`.
fn folders(kind: &str) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(fixtures().join(kind)).unwrap().map(|entry| entry.unwrap().path())
}

#[test]
fn logits_and_greedy_text_equal_transformers_for_every_family_and_form() {
    let mut seen = 0;
    for dir in folders("models") {
        for device in devices() {
            let decoder = load_on(&dir, device);
            let expected = json(&dir.join("expected.json"));
            let prompt = ids(&expected["input_ids"]);
            let reference = matrix(&expected["logits"]);

            let mut cache = decoder.new_cache(64).unwrap();
            let hidden = decoder.extend(&prompt, &mut cache, &LoraStack::none()).unwrap();
            let error = relative_error(&decoder.logits(&hidden).unwrap(), &reference);
            assert!(error < 2e-5, "{}: relative error {error:e}", dir.display());

            // Token by token through the cache gives the same logits as all at once.
            let mut cache = decoder.new_cache(64).unwrap();
            let mut pieces = Vec::new();
            for chunk in prompt.chunks(3) {
                pieces.push(decoder.extend(chunk, &mut cache, &LoraStack::none()).unwrap());
            }
            let hidden = Matrix::join_rows(&pieces.iter().collect::<Vec<_>>(), decoder.device()).unwrap();
            let error = relative_error(&decoder.logits(&hidden).unwrap(), &reference);
            assert!(error < 2e-5, "{}: relative error {error:e} with a cache", dir.display());

            let continuation = ids(&expected["greedy"]);
            assert_eq!(likeliest(&decoder, &prompt, &continuation), continuation, "{}", dir.display());
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} models found");
}

#[test]
fn really_trained_models_give_the_known_text() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets/models");
    if !assets.exists() {
        eprintln!("SKIPPED: really_trained_models_give_the_known_text: ../shared/assets is not there");
        return;
    }
    let reference = json(&assets.join("reference.json"));
    for (name, expected) in reference.as_object().unwrap() {
        let dir = assets.join(if name == "stories260K" { "stories260K-hf" } else { name.as_str() });
        let decoder = load(&dir).unwrap();
        let prompt = ids(&expected["ids"]);
        let mut cache = decoder.new_cache(64).unwrap();
        let hidden = decoder.extend(&prompt, &mut cache, &LoraStack::none()).unwrap();
        let last = flat(&decoder.logits(&hidden.part(prompt.len() - 1..prompt.len()).unwrap()).unwrap());
        let top: Vec<(usize, f32)> = serde_json::from_value(expected["last_logits_top8"].clone()).unwrap();
        for (id, logit) in top {
            assert!((last[id] - logit).abs() < 1e-3 * logit.abs(), "{name}: logit {id} is {}, not {logit}", last[id]);
        }
        let known = ids(&expected["greedy32"]);
        assert_eq!(likeliest(&decoder, &prompt, &known), known, "{name}");
    }
}

#[test]
fn loss_and_every_gradient_equal_peft() {
    for dir in folders("training").filter(|dir| dir.join("gradients.safetensors").exists()) {
        let case = &dir.file_name().unwrap().to_string_lossy();
        let (batch, scaling) = (json(&dir.join("batch.json")), scaling(&dir));
        for device in devices() {
            let decoder = load_on(&fixtures().join("models").join(batch["base"].as_str().unwrap()), device);
            let lora = stack(&dir.join("adapter"), &decoder, scaling);
            let packed = packed(&batch["input_ids"], &batch["labels"], &batch["attention_mask"]);
            let trained = batch["trained_tokens"].as_u64().unwrap() as usize;
            assert_eq!(packed.num_trained(), trained);
            let reference = candle_core::safetensors::load(dir.join("gradients.safetensors"), &Device::Cpu).unwrap();
            for full in [usize::MAX, 1, 0] {
                let (loss, gradients) =
                    decoder.loss_and_gradients(&packed, &lora, 1.0 / trained as f64, None, full).unwrap();
                let loss = loss / trained as f64;
                let expected = batch["loss"].as_f64().unwrap();
                assert!((loss - expected).abs() < 1e-5 * expected, "{case}: loss {loss}, PEFT has {expected}");
                assert!((decoder.loss(&packed, &lora).unwrap() / trained as f64 - expected).abs() < 1e-5 * expected);
                let norm = gradients.norm().unwrap();
                assert!((norm / batch["grad_norm"].as_f64().unwrap() - 1.0).abs() < 1e-4, "{case}: norm {norm}");
                compare(case, &decoder, &gradients, &reference);
            }
        }
    }
}

fn compare(case: &str, decoder: &Decoder, gradients: &LoraGradients, reference: &HashMap<String, Tensor>) {
    let mut compared = 0;
    for site in decoder.sites().iter() {
        let [LoraGrad { a, b }] = gradients.at(site) else { panic!("{case}: no gradient at {}", site.path()) };
        for (which, gradient) in [("A", a), ("B", b)] {
            let name = format!("base_model.model.{}.lora_{which}.weight", site.path());
            let expected = &Matrix::of_tensor(&reference[&name]).unwrap();
            assert!(flat(expected).iter().any(|g| *g != 0.0), "{case}: {name} has no gradient in the reference");
            let error = relative_error(gradient, expected);
            assert!(error < 1e-4, "{case}: {name}: relative error {error:e}");
            compared += 1;
        }
    }
    assert_eq!(compared, reference.len());
}

#[test]
fn gradients_of_a_micro_batch_sum_to_those_of_the_whole() {
    let decoder = load(&fixtures().join("models/qwen2")).unwrap();
    let lora = stack(&fixtures().join("training/qwen2/adapter"), &decoder, 2.0);
    let rows: [(&[u32], usize); 3] = [(&[5, 6, 7, 8, 9], 2), (&[10, 11, 12], 1), (&[1, 2, 3, 4, 5, 6, 7], 4)];
    let pack = |rows: &[(&[u32], usize)]| {
        let mut batch = PackedBatch::default();
        rows.iter().for_each(|(ids, prompt)| batch.push(ids, |i| i >= *prompt));
        batch
    };
    let gradients =
        |rows: &[(&[u32], usize)]| decoder.loss_and_gradients(&pack(rows), &lora, 0.1, None, usize::MAX).unwrap();
    let (whole_loss, whole) = gradients(&rows);
    let mut sum = LoraGradients::default();
    let mut loss = 0.0;
    for row in &rows {
        let (l, g) = gradients(std::slice::from_ref(row));
        loss += l;
        sum.accumulate(g).unwrap();
    }
    assert!((loss - whole_loss).abs() < 1e-4);
    for site in decoder.sites().iter() {
        assert!(relative_error(&sum.at(site)[0].a, &whole.at(site)[0].a) < 1e-4);
        assert!(relative_error(&sum.at(site)[0].b, &whole.at(site)[0].b) < 1e-4);
    }
}

#[test]
fn only_adapted_layers_get_gradients() {
    let decoder = load(&fixtures().join("models/qwen2")).unwrap();
    let all = stack(&fixtures().join("training/qwen2/adapter"), &decoder, 2.0);
    let mut top = LoraStack::none();
    let site = Site { layer: 1, module: APART.module("self_attn.v_proj").unwrap() };
    top.push(site, all.at(site)[0].clone());
    let mut batch = PackedBatch::default();
    batch.push(&[3, 1, 4, 1, 5, 9, 2, 6], |i| i >= 3);
    let (_, gradients) = decoder.loss_and_gradients(&batch, &top, 1.0, None, 0).unwrap();
    for other in decoder.sites().iter() {
        assert_eq!(gradients.at(other).len(), usize::from(other == site), "{}", other.path());
    }
    assert!(gradients.norm().unwrap() > 0.0);
}

fn edit_config(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("config.json");
    let mut config = json(&path);
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

#[test]
fn damaged_files_are_refused_with_their_names() {
    let dir = copy("llama2");
    let weights = dir.path().join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();

    refusal(&dir.path().join("nowhere"), Code::Io, &["open model", "nowhere"]);
    std::fs::write(&weights, &whole[..whole.len() - 5]).unwrap();
    refusal(dir.path(), Code::ModelFormat, &["model.safetensors", "not a whole safetensors file"]);
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    std::fs::write(&weights, &huge).unwrap();
    refusal(dir.path(), Code::ModelFormat, &["model.safetensors", "not a whole safetensors file"]);
    std::fs::write(&weights, b"").unwrap();
    refusal(dir.path(), Code::ModelFormat, &["model.safetensors", "0 bytes"]);
    std::fs::remove_file(&weights).unwrap();
    refusal(dir.path(), Code::ModelFormat, &["has no model.safetensors"]);
    std::fs::create_dir(&weights).unwrap();
    refusal(dir.path(), Code::Io, &["model.safetensors"]);
    std::fs::write(dir.path().join("config.json"), "{").unwrap();
    refusal(dir.path(), Code::ModelFormat, &["config.json", "not valid JSON"]);
}

#[test]
fn weights_that_contradict_the_config_are_refused_with_both_shapes() {
    let dir = copy("llama2");
    edit_config(dir.path(), |c| c["intermediate_size"] = 40.into());
    refusal(dir.path(), Code::ModelFormat, &["mlp.gate_proj.weight has shape", "config.json makes it [40"]);

    let dir = copy("llama2");
    edit_config(dir.path(), |c| c["num_hidden_layers"] = 3.into());
    refusal(dir.path(), Code::ModelFormat, &["model.layers.2.", "is missing; expected shape"]);

    let dir = copy("llama2");
    edit_config(dir.path(), |c| c["model_type"] = "mamba".into());
    refusal(dir.path(), Code::Unsupported, &["`mamba` is not supported", "llama, qwen2, qwen3"]);
}

/// A copy of a fixture with other tensors.
fn with_tensors(name: &str, change: impl FnOnce(&mut std::collections::HashMap<String, Tensor>)) -> tempfile::TempDir {
    let dir = copy(name);
    let path = dir.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    dir
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn tensors_that_the_config_does_not_ask_for_are_refused_or_noted() {
    for name in [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.1.self_attn.q_norm.weight",
        "model.layers.0.mlp.down_proj.weight_scale",
        "model.norm.bias",
        "lm_head.bias",
    ] {
        let dir = with_tensors("llama2", |tensors| drop(tensors.insert(name.to_owned(), ones(&[8]))));
        refusal(dir.path(), Code::ModelFormat, &["model.safetensors", name, "is no part of a llama model"]);
    }
    let dir = copy("llama2");
    edit_config(dir.path(), |c| c["num_hidden_layers"] = 1.into());
    refusal(dir.path(), Code::ModelFormat, &["model.layers.1.", "belongs to layer 1, and `num_hidden_layers` is 1"]);

    let dir = with_tensors("llama2", |tensors| {
        tensors.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), ones(&[4]));
        tensors.insert("score.weight".to_owned(), ones(&[2]));
    });
    let notes = load(dir.path()).unwrap().notes();
    assert!(matches!(&*notes, [note] if note.ends_with("were not used: score.weight")), "{notes:?}");
}

#[test]
fn a_head_that_the_config_ties_must_be_the_embedding() {
    let tied = |change: fn(&Tensor) -> Tensor| {
        let dir = with_tensors("llama2", |tensors| {
            let head = change(&tensors["model.embed_tokens.weight"]);
            tensors.insert("lm_head.weight".to_owned(), head);
        });
        edit_config(dir.path(), |c| c["tie_word_embeddings"] = true.into());
        dir
    };
    assert_eq!(load(tied(Clone::clone).path()).unwrap().notes(), [""; 0]);
    let other = tied(|embedding| embedding.affine(1.0, 0.25).unwrap());
    refusal(other.path(), Code::ModelFormat, &["lm_head.weight is stored and differs from model.embed_tokens.weight"]);
}

#[test]
fn a_single_file_counts_whatever_index_lies_beside_it() {
    let dir = copy("llama2");
    let stale = r#"{"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}"#;
    std::fs::write(dir.path().join("model.safetensors.index.json"), stale).unwrap();
    assert!(load(dir.path()).is_ok());
}

#[test]
fn what_git_lfs_leaves_is_called_by_its_name() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1340\n";
    for file in ["model.safetensors", "config.json"] {
        let dir = copy("llama2");
        std::fs::write(dir.path().join(file), pointer).unwrap();
        refusal(dir.path(), Code::Io, &[file, "git-lfs pointer", "git lfs pull"]);
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    let dir = copy("llama2");
    let path = dir.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let name = "model.layers.1.mlp.up_proj.weight";
    let shape = tensors[name].shape().clone();
    let mut values: Vec<f32> = tensors[name].flatten_all().unwrap().to_vec1().unwrap();
    values[7] = f32::NAN;
    tensors.insert(name.to_string(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    candle_core::safetensors::save(&tensors, &path).unwrap();
    refusal(dir.path(), Code::ModelFormat, &[name, "NaN at element 7"]);
}

#[test]
fn a_hostile_shard_index_cannot_leave_the_directory() {
    let dir = copy("llama2");
    std::fs::rename(dir.path().join("model.safetensors"), dir.path().join("part.safetensors")).unwrap();
    std::fs::write(
        dir.path().join("model.safetensors.index.json"),
        r#"{"weight_map": {"lm_head.weight": "../../etc/passwd"}}"#,
    )
    .unwrap();
    refusal(dir.path(), Code::ModelFormat, &["weight_map", "beside the index"]);
}

#[test]
fn foreign_ids_are_errors() {
    let decoder = load(&fixtures().join("models/llama2")).unwrap();
    let mut cache = decoder.new_cache(4).unwrap();
    let err = decoder.extend(&[10_000], &mut cache, &LoraStack::none()).unwrap_err();
    assert!(err.message().contains("outside the model's vocabulary"), "{err}");
    assert_eq!(cache.len(), 0);
    assert_eq!(decoder.dtype().name(), "f32");
}

#[test]
fn devices_are_parsed_and_missing_ones_refused() {
    assert_eq!(DeviceChoice::try_from("cuda:3".to_owned()), Ok(DeviceChoice::Cuda(3)));
    assert!(DeviceChoice::try_from("gpu".to_owned()).unwrap_err().contains("cuda:N"));
    assert!(DeviceChoice::Auto.open().is_ok());
    // With a GPU, this one is not there.
    let err = DeviceChoice::Cuda(99).open().unwrap_err();
    assert_eq!(err.code(), Code::Device, "{err}");
    if DeviceChoice::Cuda(0).open().is_err() {
        assert_eq!(available_devices(), ["cpu"]);
        assert!(DeviceChoice::Auto.open().unwrap().is_host());
    }
}
