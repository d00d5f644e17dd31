//! Models for tests: fixtures, damaged copies, random ones in the sizes that a test needs.

use super::batch::Batch;
use super::*;
use crate::control::Monitor;
use crate::error::Code;
use crate::tensor::testing::{flat, normal, normal_values};
use crate::tensor::{DeviceChoice, Matrix};
use crate::weights::Dtype;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The assets beside the repository; a loud line and `None` where they are absent.
pub(crate) fn assets(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets").join(below);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

pub(crate) fn load(dir: &Path) -> crate::error::Result<Decoder> {
    load_as(dir, None, false)
}

/// Every device that decoders are tested on, as `tensor::testing::devices`.
pub(crate) fn devices() -> Vec<DeviceChoice> {
    let named = std::env::var("TAILORA_TEST_DEVICE").ok().map(|name| DeviceChoice::try_from(name).unwrap());
    [DeviceChoice::Cpu, DeviceChoice::Reference].into_iter().chain(named).collect()
}

/// In f32.
pub(crate) fn load_on(dir: &Path, device: DeviceChoice) -> Decoder {
    let plan = LoadPlan {
        device,
        dtype: Dtype::F32,
        quantize: None,
        exact: false,
        kv_cache_dtype: KvCacheDtype::Auto,
        threads: 2,
    };
    Decoder::load(dir, &plan, &mut Monitor::none()).unwrap_or_else(|err| panic!("{}: {err}", dir.display()))
}

pub(crate) fn load_as(dir: &Path, quantize: Option<&str>, exact: bool) -> crate::error::Result<Decoder> {
    let quantize = quantize.map(|name| name.parse().unwrap());
    let (device, kv_cache_dtype) = (DeviceChoice::Cpu, KvCacheDtype::Auto);
    let plan = LoadPlan { device, dtype: Dtype::Auto, quantize, exact, kv_cache_dtype, threads: 2 };
    Decoder::load(dir, &plan, &mut Monitor::none())
}

/// What one sequence has read, alone in a pool.
pub(crate) struct KvCache {
    pool: KvPool,
    table: BlockTable,
}

impl KvCache {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Decoder {
    /// Nothing read yet, with room for `capacity` tokens.
    pub(crate) fn new_cache(&self, capacity: usize) -> crate::error::Result<KvCache> {
        let (pool, mut table) = (self.new_pool(capacity)?, BlockTable::default());
        pool.begin(&mut table, 0, capacity);
        Ok(KvCache { pool, table })
    }

    /// Runs `tokens` after those the cache holds; the final hidden states of each of them.
    pub(crate) fn extend(&self, tokens: &[u32], cache: &mut KvCache, lora: &LoraStack) -> crate::error::Result<Matrix> {
        cache.pool.reserve(&mut cache.table, tokens.len())?;
        let mut batch = Batch::default();
        batch.push_tokens(tokens, &cache.table, 0, 0..tokens.len());
        let hidden = self.hidden(&batch, &mut cache.pool, &[lora])?;
        cache.table.advance(tokens.len());
        Ok(hidden)
    }
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub(crate) fn matrix(value: &Value) -> Matrix {
    let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
    let cols = rows[0].len();
    Matrix::new(rows.len(), cols, rows.concat(), &crate::tensor::Device::host()).unwrap()
}

/// The most probable token after `prompt` and after each token of `text` behind it but the last: `text` itself, where it is
/// the greedy one.
pub(crate) fn likeliest(decoder: &Decoder, prompt: &[u32], text: &[u32]) -> Vec<u32> {
    let tokens = [prompt, &text[..text.len() - 1]].concat();
    let mut cache = decoder.new_cache(tokens.len()).unwrap();
    let hidden = decoder.extend(&tokens, &mut cache, &LoraStack::none()).unwrap();
    let logits = decoder.logits(&hidden.part(prompt.len() - 1..tokens.len()).unwrap()).unwrap();
    let likeliest = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u32;
    flat(&logits).chunks(logits.cols()).map(likeliest).collect()
}

/// PEFT's `scaling` of a fixture's adapter.
pub(crate) fn scaling(dir: &Path) -> f64 {
    let adapter = json(&dir.join("adapter/adapter_config.json"));
    let (r, alpha) = (adapter["r"].as_f64().unwrap(), adapter["lora_alpha"].as_f64().unwrap());
    alpha / if adapter["use_rslora"] == true { r.sqrt() } else { r }
}

/// An adapter's tensors by PEFT's names, with one scaling for all.
pub(crate) fn stack(dir: &Path, decoder: &Decoder, scaling: f64) -> LoraStack {
    stack_of(&dir.join("adapter_model.safetensors"), decoder, scaling)
}

/// The same of a file.
pub(crate) fn stack_of(file: &Path, decoder: &Decoder, scaling: f64) -> LoraStack {
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let mut stack = LoraStack::none();
    for site in decoder.sites().iter() {
        let get = |which| {
            let tensor = tensors.get(&peft_name(site, which))?;
            let (rows, cols) = tensor.dims2().unwrap();
            let values = tensor.flatten_all().unwrap().to_vec1().unwrap();
            Some(Arc::new(Matrix::new(rows, cols, values, decoder.device()).unwrap()))
        };
        if let (Some(a), Some(b)) = (get("A"), get("B")) {
            stack.push(site, LoraWeights::new(a, b, scaling));
        }
    }
    stack
}

fn peft_name(site: Site, which: &str) -> String {
    format!("base_model.model.{}.lora_{which}.weight", site.path())
}

/// A PEFT adapter directory of a stack like [`random_stack`]'s: one delta at every site, of one rank and scaling.
pub(crate) fn adapter_dir(lora: &LoraStack, sites: Sites) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tensors = HashMap::new();
    let mut config = json!({"peft_type": "LORA", "task_type": "CAUSAL_LM"});
    for site in sites.iter() {
        let [LoraWeights { a, b, scaling, .. }] = lora.at(site) else { panic!("one delta at {}", site.path()) };
        let r = a.rows();
        (config["r"], config["lora_alpha"]) = (json!(r), json!(scaling * r as f64));
        tensors.insert(peft_name(site, "A"), a.tensor().unwrap());
        tensors.insert(peft_name(site, "B"), b.tensor().unwrap());
    }
    config["target_modules"] = json!(sites.table.modules().map(Module::name).collect::<Vec<_>>());
    std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
    candle_core::safetensors::save(&tensors, dir.path().join("adapter_model.safetensors")).unwrap();
    dir
}

pub(crate) fn packed(rows: &Value, labels: &Value, mask: &Value) -> PackedBatch {
    let lists = |value: &Value| -> Vec<Vec<i64>> { serde_json::from_value(value.clone()).unwrap() };
    let mut batch = PackedBatch::default();
    for ((row, labels), mask) in lists(rows).iter().zip(lists(labels)).zip(lists(mask)) {
        let ids: Vec<u32> = row.iter().zip(mask).filter(|(_, m)| *m == 1).map(|(id, _)| *id as u32).collect();
        batch.push(&ids, |i| labels[i] != -100);
    }
    batch
}

/// A copy of a fixture model that a test may damage.
pub(crate) fn copy(name: &str) -> tempfile::TempDir {
    copy_of(&fixtures().join("models").join(name))
}

fn copy_of(model: &Path) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(model).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), target.path().join(entry.file_name())).unwrap();
    }
    target
}

pub(crate) fn refusal(dir: &Path, code: Code, words: &[&str]) {
    let err = match load(dir) {
        Ok(_) => panic!("{} loaded; expected an error with {words:?}", dir.display()),
        Err(err) => err,
    };
    assert_eq!(err.code(), code, "{err}");
    for word in words {
        assert!(err.message().contains(word), "{err} does not say {word:?}");
    }
}

/// A model directory with the weights that `decoder` dequantizes: what an exact run on quantized weights must equal.
pub(crate) fn dequantized_copy(model: &Path, decoder: &Decoder) -> tempfile::TempDir {
    let dir = copy_of(model);
    let path = dir.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    for site in decoder.sites().iter() {
        let name = format!("{}.weight", site.path());
        tensors.insert(name, decoder.dense_weight(site).unwrap().tensor().unwrap());
    }
    let all: Vec<u32> = (0..decoder.config().vocab_size as u32).collect();
    tensors.insert("model.embed_tokens.weight".to_owned(), decoder.embedding.gather(&all).unwrap().tensor().unwrap());
    if tensors.contains_key("lm_head.weight") {
        tensors.insert("lm_head.weight".to_owned(), decoder.head.linear.dense_weight().unwrap().tensor().unwrap());
    }
    candle_core::safetensors::save(&tensors, &path).unwrap();
    dir
}

/// A Qwen2 model with random weights, of rows that K-quants can hold, but for the MLP's last projection if
/// `intermediate` is no multiple of 256.
pub(crate) fn random_model(intermediate: usize) -> tempfile::TempDir {
    let (hidden, keys, vocab) = (256, 128, 320);
    let dir = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "qwen2", "vocab_size": vocab, "hidden_size": hidden, "intermediate_size": intermediate,
        "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 128,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": false, "eos_token_id": 1,
    });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let mut tensors = HashMap::new();
    let mut put = |name: String, shape: &[usize], scale: f64| {
        let values = normal_values(shape.iter().product(), tensors.len() as u64);
        let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        tensors.insert(name, (values * scale).unwrap());
    };
    put("model.embed_tokens.weight".to_owned(), &[vocab, hidden], 1.0);
    put("lm_head.weight".to_owned(), &[vocab, hidden], 0.06);
    put("model.norm.weight".to_owned(), &[hidden], 1.0);
    for layer in 0..2 {
        let linear = [
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", keys, hidden),
            ("self_attn.v_proj", keys, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", intermediate, hidden),
            ("mlp.up_proj", intermediate, hidden),
            ("mlp.down_proj", hidden, intermediate),
        ];
        for (path, out, inp) in linear {
            put(format!("model.layers.{layer}.{path}.weight"), &[out, inp], (inp as f64).powf(-0.5));
            if ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].contains(&path) {
                put(format!("model.layers.{layer}.{path}.bias"), &[out], 0.1);
            }
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            put(format!("model.layers.{layer}.{norm}.weight"), &[hidden], 1.0);
        }
    }
    candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
    dir
}

/// Random deltas of rank 4 at every site.
pub(crate) fn random_stack(decoder: &Decoder) -> LoraStack {
    let mut stack = LoraStack::none();
    for (index, site) in decoder.sites().iter().enumerate() {
        let (out, inp) = decoder.module_shape(site.module);
        let random = |rows, cols, seed: usize| {
            let mut matrix = normal(rows, cols, 1000 + seed as u64).to(decoder.device()).unwrap();
            matrix.scale(0.05).unwrap();
            Arc::new(matrix)
        };
        let (a, b) = (random(4, inp, 2 * index), random(out, 4, 2 * index + 1));
        stack.push(site, LoraWeights::new(a, b, 2.0));
    }
    stack
}

/// The logits after each token.
pub(crate) fn logits(decoder: &Decoder, prompt: &[u32]) -> Matrix {
    let mut cache = decoder.new_cache(prompt.len()).unwrap();
    let hidden = decoder.extend(prompt, &mut cache, &LoraStack::none()).unwrap();
    decoder.logits(&hidden).unwrap()
}
