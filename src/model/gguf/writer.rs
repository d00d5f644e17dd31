//! Writes GGUF files for tests, as `convert_hf_to_gguf.py` of llama.cpp makes them of a Hugging Face directory.

use crate::model::config::RopeScaling;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

/// A file in the making.
pub(crate) struct Writer {
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) tensors: BTreeMap<String, QTensor>,
}

pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::Array(texts.into_iter().map(text).collect())
}

impl Writer {
    /// Configuration and tensors of a directory; `dtype` decides by name and shape how a tensor is stored.
    pub(crate) fn of(dir: &Path, dtype: impl Fn(&str, &[usize]) -> GgmlDType) -> Self {
        let config: Json = serde_json::from_str(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap();
        let architecture = match config["model_type"].as_str().unwrap() {
            "mistral" | "internlm3" => "llama",
            "glm" => "chatglm",
            "gemma3_text" => "gemma3",
            "qwen3_moe" => "qwen3moe",
            other => other,
        };
        let mut writer = Writer { metadata: metadata(architecture, &config), tensors: BTreeMap::new() };
        let head_dim = writer.number(architecture, "attention.key_length");
        let pairs_neighbours = ["llama", "smollm3", "granite", "minicpm"].contains(&architecture);
        let mut experts: BTreeMap<String, BTreeMap<usize, Tensor>> = BTreeMap::new();
        for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|extension| extension == "safetensors") {
                for (name, tensor) in candle_core::safetensors::load(&entry, &Device::Cpu).unwrap() {
                    let tensor = tensor.to_dtype(candle_core::DType::F32).unwrap();
                    let tensor = if pairs_neighbours { permuted(&name, tensor, head_dim) } else { tensor };
                    let plus_one = architecture.starts_with("gemma") && name.ends_with("norm.weight");
                    let tensor = if plus_one { (tensor + 1.0).unwrap() } else { tensor };
                    match name.split_once(".experts.").map(|(front, rest)| (front, rest.split_once('.').unwrap())) {
                        Some((front, (expert, rest))) => {
                            let all = experts.entry(gguf_name(&format!("{front}.{rest}"), architecture)).or_default();
                            all.insert(expert.parse().unwrap(), tensor);
                        }
                        None => writer.put(&gguf_name(&name, architecture), &tensor, &dtype),
                    }
                }
            }
        }
        for (name, tensors) in experts {
            let all = Tensor::stack(&tensors.into_values().collect::<Vec<_>>(), 0).unwrap();
            writer.put(&name.replace(".weight", "_exps.weight"), &all, &dtype);
        }
        let scaling =
            if config["rope_scaling"].is_object() { &config["rope_scaling"] } else { &config["rope_parameters"] };
        for kind in ["long", "short"] {
            if let Ok(factors) = serde_json::from_value::<Vec<f32>>(scaling[format!("{kind}_factor")].clone()) {
                let factors = Tensor::new(factors, &Device::Cpu).unwrap();
                writer.put(&format!("rope_factors_{kind}.weight"), &factors, &|_, _| GgmlDType::F32);
            }
        }
        if config["rope_scaling"]["rope_type"] == "llama3" || config["rope_parameters"]["rope_type"] == "llama3" {
            let plain = serde_json::json!({"rope_theta": config["rope_theta"].as_f64().unwrap_or(0.0)
                .max(config["rope_parameters"]["rope_theta"].as_f64().unwrap_or(0.0))});
            let plain = RopeScaling::of_json(&plain, head_dim, 512).unwrap();
            let scaled = RopeScaling::of_json(&config, head_dim, 512).unwrap();
            let factors: Vec<f32> = plain.inv_freq.iter().zip(&scaled.inv_freq).map(|(p, s)| p / s).collect();
            writer.put("rope_freqs.weight", &Tensor::new(factors, &Device::Cpu).unwrap(), &|_, _| GgmlDType::F32);
        }
        writer
    }

    fn number(&self, architecture: &str, key: &str) -> usize {
        self.metadata[&format!("{architecture}.{key}")].to_u32().unwrap() as usize
    }

    fn put(&mut self, name: &str, tensor: &Tensor, dtype: &dyn Fn(&str, &[usize]) -> GgmlDType) {
        let kind = if tensor.dims().len() < 2 { GgmlDType::F32 } else { dtype(name, tensor.dims()) };
        self.tensors.insert(name.to_owned(), QTensor::quantize(tensor, kind).unwrap());
    }

    /// Adds the tokenizer of a directory whose `tokenizer.json` is byte-level BPE.
    pub(crate) fn with_tokenizer(mut self, dir: &Path, pre: &str) -> Self {
        let read = |name: &str| -> Json { serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap() };
        let (tokenizer, config) = (read("tokenizer.json"), read("tokenizer_config.json"));
        let mut tokens: BTreeMap<u64, (String, i32)> = BTreeMap::new();
        for (token, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
            tokens.insert(id.as_u64().unwrap(), (token.clone(), 1));
        }
        for added in tokenizer["added_tokens"].as_array().unwrap() {
            let kind = if added["special"] == true { 3 } else { 4 };
            tokens.insert(added["id"].as_u64().unwrap(), (added["content"].as_str().unwrap().to_owned(), kind));
        }
        let merge = |merge: &Json| match merge {
            Json::String(merge) => merge.clone(),
            pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
        };
        let merges = tokenizer["model"]["merges"].as_array().unwrap().iter().map(merge);
        let id_of = |token: &Json| {
            let content = token["content"].as_str().or(token.as_str())?;
            tokens.iter().find(|(_, (text, _))| text == content).map(|(id, _)| Value::U32(*id as u32))
        };
        for name in ["bos", "eos"] {
            if let Some(id) = id_of(&config[format!("{name}_token")]) {
                self.metadata.insert(format!("tokenizer.ggml.{name}_token_id"), id);
            }
        }
        let mut set = |key: &str, value: Value| self.metadata.insert(format!("tokenizer.{key}"), value);
        set("ggml.model", text("gpt2"));
        set("ggml.pre", text(pre));
        set("ggml.merges", texts(merges));
        set("ggml.token_type", Value::Array(tokens.values().map(|(_, kind)| Value::I32(*kind)).collect()));
        set("ggml.tokens", texts(tokens.values().map(|(token, _)| token.clone())));
        if let Some(template) = config["chat_template"].as_str() {
            set("chat_template", text(template));
        }
        self
    }

    pub(crate) fn write(&self, path: &Path) {
        let metadata: Vec<(&str, &Value)> = self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<(&str, &QTensor)> = self.tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
        gguf_file::write(&mut std::fs::File::create(path).unwrap(), &metadata, &tensors).unwrap();
    }
}

fn metadata(architecture: &str, config: &Json) -> BTreeMap<String, Value> {
    let number = |key: &str| config[key].as_u64().map(|n| n as u32);
    let heads = number("num_attention_heads").unwrap();
    let head_dim = number("head_dim").unwrap_or(number("hidden_size").unwrap() / heads);
    let parameters = &config["rope_parameters"];
    let theta = config["rope_theta"].as_f64().or(parameters["rope_theta"].as_f64());
    let theta = theta.or(parameters["full_attention"]["rope_theta"].as_f64()).unwrap_or(if architecture == "smollm3" {
        2e6
    } else {
        1e4
    });
    let partial = config["partial_rotary_factor"].as_f64().or(parameters["partial_rotary_factor"].as_f64());
    let mut metadata = BTreeMap::from([("general.architecture".to_owned(), text(architecture))]);
    let mut set = |key: &str, value: Value| metadata.insert(format!("{architecture}.{key}"), value);
    set("block_count", Value::U32(number("num_hidden_layers").unwrap()));
    set("context_length", Value::U32(number("max_position_embeddings").unwrap()));
    set("embedding_length", Value::U32(number("hidden_size").unwrap()));
    set("feed_forward_length", Value::U32(number("intermediate_size").unwrap()));
    set("attention.head_count", Value::U32(heads));
    set("attention.head_count_kv", Value::U32(number("num_key_value_heads").unwrap_or(heads)));
    set("attention.layer_norm_rms_epsilon", Value::F32(config["rms_norm_eps"].as_f64().unwrap() as f32));
    set("attention.key_length", Value::U32(head_dim));
    set("rope.dimension_count", Value::U32((f64::from(head_dim) * partial.unwrap_or(1.0)) as u32));
    set("rope.freq_base", Value::F32(theta as f32));
    let scaling = if config["rope_scaling"].is_object() { &config["rope_scaling"] } else { parameters };
    let scaling = if parameters["full_attention"].is_object() { &parameters["full_attention"] } else { scaling };
    let kind = scaling["rope_type"].as_str().or(scaling["type"].as_str()).unwrap_or("default");
    if ["linear", "yarn"].contains(&kind) {
        set("rope.scaling.type", text(kind));
        set("rope.scaling.factor", Value::F32(scaling["factor"].as_f64().unwrap() as f32));
        if let Some(original) = scaling["original_max_position_embeddings"].as_u64() {
            set("rope.scaling.original_context_length", Value::U32(original as u32));
        }
    }
    for (key, value) in own_metadata(architecture, config) {
        metadata.insert(format!("{architecture}.{key}"), value);
    }
    metadata
}

/// What only some architectures have.
fn own_metadata(architecture: &str, config: &Json) -> Vec<(&'static str, Value)> {
    let real = |key: &str| config[key].as_f64().map(|number| Value::F32(number as f32));
    let whole = |key: &str| config[key].as_u64().map(|number| Value::U32(number as u32));
    let mut found = vec![
        ("attention.scale", real("attention_multiplier")),
        ("embedding_scale", real("embedding_multiplier").or(real("scale_emb"))),
        ("residual_scale", real("residual_multiplier")),
        ("logit_scale", real("logits_scaling")),
        ("attn_logit_softcapping", real("attn_logit_softcapping")),
        ("final_logit_softcapping", real("final_logit_softcapping")),
        ("rope.scaling.original_context_length", whole("original_max_position_embeddings")),
        ("expert_count", whole("num_experts").or(whole("num_local_experts"))),
        ("expert_used_count", whole("num_experts_per_tok")),
        ("expert_feed_forward_length", whole("moe_intermediate_size")),
    ];
    if architecture == "minicpm" {
        let number = |key: &str| config[key].as_f64().unwrap();
        let residual = number("scale_depth") / number("num_hidden_layers").sqrt();
        found.push(("residual_scale", Some(Value::F32(residual as f32))));
        found.push(("logit_scale", Some(Value::F32((number("hidden_size") / number("dim_model_base")) as f32))));
    }
    if ["phi3", "gemma2", "gemma3"].contains(&architecture) {
        found.push(("attention.sliding_window", whole("sliding_window")));
    }
    if architecture == "gemma3" {
        found.push(("attention.sliding_window_pattern", Some(Value::U32(2))));
    }
    found.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn gguf_name(name: &str, architecture: &str) -> String {
    let name = name.replace("model.layers.", "blk.");
    let norms: &[(&str, &str)] = match architecture {
        "gemma2" | "gemma3" => &[
            ("post_attention_layernorm", "post_attention_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffw_norm"),
        ],
        "olmo2" => {
            &[("post_attention_layernorm", "post_attention_norm"), ("post_feedforward_layernorm", "post_ffw_norm")]
        }
        "glm4" => &[("post_self_attn_layernorm", "post_attention_norm"), ("post_mlp_layernorm", "post_ffw_norm")],
        _ => &[],
    };
    let name = norms.iter().fold(name, |name, (from, to)| name.replace(from, to));
    [
        ("self_attn.qkv_proj", "attn_qkv"),
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.gate.", "ffn_gate_inp."),
        ("model.embed_tokens", "token_embd"),
        ("lm_head", "output"),
        ("model.norm", "output_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ]
    .iter()
    .fold(name, |name, (from, to)| name.replace(from, to))
}

/// `LlamaModel.permute` of the converter, word for word: `[heads, 2, head/2, …]` with the middle two exchanged.
fn permuted(name: &str, tensor: Tensor, head_dim: usize) -> Tensor {
    if !name.contains("q_proj") && !name.contains("k_proj") {
        return tensor;
    }
    let dims = tensor.dims().to_vec();
    let inner: usize = dims[1..].iter().product();
    let shape = (dims[0] / head_dim, 2, head_dim / 2, inner);
    tensor.reshape(shape).unwrap().transpose(1, 2).unwrap().contiguous().unwrap().reshape(dims).unwrap()
}
