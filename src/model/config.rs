//! `config.json` of a Hugging Face model, in its older and its transformers-5 form, as options of the one decoder.
//!
//! A family is a row of facts (which projections have a bias, whether queries and keys are normalised, …), not a copy of
//! the network. Sources: `configuration_llama.py`, `configuration_qwen2.py`, `configuration_qwen3.py` of transformers.

use super::rope_scaling::RopeScaling;
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::ops::swiglu::Activation;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// What the decoder needs to know of a model.
#[derive(Debug, Clone)]
pub(crate) struct DecoderConfig {
    /// `llama`, `qwen2` or `qwen3`.
    pub(crate) model_type: String,
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_key_value_heads: usize,
    pub(crate) head_dim: usize,
    /// Longest sequence, prompt and completion together.
    pub(crate) max_position_embeddings: usize,
    pub(crate) rms_norm_eps: f64,
    pub(crate) activation: Activation,
    /// Whether the output head is the embedding.
    pub(crate) tie_word_embeddings: bool,
    /// Bias on q, k and v.
    pub(crate) qkv_bias: bool,
    /// Bias on the attention's output projection.
    pub(crate) output_bias: bool,
    /// Bias on the three projections of the MLP.
    pub(crate) mlp_bias: bool,
    /// RMS norm of each head's query and key before RoPE.
    pub(crate) qk_norm: bool,
    pub(crate) rope: RopeScaling,
    /// Per layer: the number of keys a query sees, itself included; `None` for all before it.
    pub(crate) windows: Vec<Option<usize>>,
    pub(crate) bos_token_id: Option<u32>,
    /// Every id that ends a generation, from `generation_config.json` and `config.json`.
    pub(crate) eos_token_ids: Vec<u32>,
}

/// Upper bound on any size in a config: refuses nonsense before anything is allocated for it.
const LARGEST: usize = 1 << 24;

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
    sliding_window: Option<usize>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    bos_token_id: Option<Value>,
    eos_token_id: Option<Value>,
    #[serde(default)]
    quantization_config: Value,
}

/// Facts of a family that its `config.json` leaves out.
struct Family {
    model_type: &'static str,
    qkv_bias: bool,
    qk_norm: bool,
    /// Whether `use_sliding_window` and `layer_types` mean anything.
    sliding: bool,
    default_head_dim: Option<usize>,
}

const FAMILIES: [Family; 3] = [
    Family { model_type: "llama", qkv_bias: false, qk_norm: false, sliding: false, default_head_dim: None },
    Family { model_type: "qwen2", qkv_bias: true, qk_norm: false, sliding: true, default_head_dim: None },
    Family { model_type: "qwen3", qkv_bias: false, qk_norm: true, sliding: true, default_head_dim: Some(128) },
];

impl DecoderConfig {
    /// Reads `config.json` and, where there is one, `generation_config.json` from a model directory.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let value = read_json(&path)?;
        let mut config = Self::from_json(&value).map_err(|err| at(err, &path))?;
        let generation = dir.join("generation_config.json");
        if generation.exists() {
            let value = read_json(&generation)?;
            for id in token_ids("eos_token_id", value.get("eos_token_id")).map_err(|err| at(err, &generation))? {
                if !config.eos_token_ids.contains(&id) {
                    config.eos_token_ids.push(id);
                }
            }
        }
        Ok(config)
    }

    /// Whether there is such a family.
    pub(super) fn check_family(model_type: &str) -> Result<()> {
        family(model_type).map(drop)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let raw: Raw = serde_json::from_value(value.clone()).map_err(|err| bad(err.to_string()))?;
        let model_type = raw.model_type.as_deref().unwrap_or("(none)");
        let family = family(model_type)?;
        if !raw.quantization_config.is_null() {
            return Err(Error::new(
                Code::Unsupported,
                "the weights are stored quantized (`quantization_config`); use the original weights",
            ));
        }
        for (name, size) in [
            ("vocab_size", raw.vocab_size),
            ("hidden_size", raw.hidden_size),
            ("intermediate_size", raw.intermediate_size),
            ("num_hidden_layers", raw.num_hidden_layers),
            ("num_attention_heads", raw.num_attention_heads),
        ] {
            if size == 0 || size > LARGEST {
                return Err(bad(format!("`{name}` is {size}; expected 1 to {LARGEST}")));
            }
        }
        let heads = raw.num_attention_heads;
        let num_key_value_heads = raw.num_key_value_heads.unwrap_or(heads);
        if num_key_value_heads == 0 || !heads.is_multiple_of(num_key_value_heads) {
            return Err(bad(format!(
                "`num_key_value_heads` is {num_key_value_heads}; expected a divisor of `num_attention_heads`, {heads}"
            )));
        }
        let head_dim = raw.head_dim.or(family.default_head_dim).unwrap_or(raw.hidden_size / heads);
        if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > LARGEST {
            return Err(bad(format!("`head_dim` is {head_dim}; expected an even number")));
        }
        let max_position_embeddings = raw.max_position_embeddings.unwrap_or(2048);
        if max_position_embeddings == 0 {
            return Err(bad("`max_position_embeddings` is 0; expected at least 1"));
        }
        let rms_norm_eps = raw.rms_norm_eps.unwrap_or(1e-6);
        if !(rms_norm_eps > 0.0 && rms_norm_eps < 1.0) {
            return Err(bad(format!("`rms_norm_eps` is {rms_norm_eps}; expected a small positive number")));
        }
        let attention_bias = raw.attention_bias.unwrap_or(false);
        Ok(DecoderConfig {
            model_type: model_type.to_string(),
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads,
            head_dim,
            max_position_embeddings,
            rms_norm_eps,
            activation: activation(raw.hidden_act.as_deref().unwrap_or("silu"))?,
            tie_word_embeddings: raw.tie_word_embeddings.unwrap_or(false),
            qkv_bias: family.qkv_bias || attention_bias,
            output_bias: attention_bias,
            mlp_bias: raw.mlp_bias.unwrap_or(false),
            qk_norm: family.qk_norm,
            rope: RopeScaling::from_config(value, head_dim, max_position_embeddings)?,
            windows: windows(&raw, family)?,
            bos_token_id: token_ids("bos_token_id", raw.bos_token_id.as_ref())?.first().copied(),
            eos_token_ids: token_ids("eos_token_id", raw.eos_token_id.as_ref())?,
        })
    }
}

fn family(model_type: &str) -> Result<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
        Error::new(
            Code::Unsupported,
            format!("model_type `{model_type}` is not supported; supported are {}", known.join(", ")),
        )
        .with("model_type", model_type)
    })
}

fn activation(name: &str) -> Result<Activation> {
    match name {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        other => Err(Error::new(
            Code::Unsupported,
            format!("hidden_act `{other}` is not supported; supported are silu, gelu_pytorch_tanh"),
        )),
    }
}

fn windows(raw: &Raw, family: &Family) -> Result<Vec<Option<usize>>> {
    let layers = raw.num_hidden_layers;
    let window = raw.sliding_window.filter(|_| family.sliding && raw.use_sliding_window.unwrap_or(false));
    if window == Some(0) {
        return Err(bad("`sliding_window` is 0; expected at least 1"));
    }
    if let Some(types) = raw.layer_types.as_ref().filter(|_| family.sliding) {
        if types.len() != layers {
            return Err(bad(format!("`layer_types` has {} entries; expected {layers}", types.len())));
        }
        return types
            .iter()
            .map(|kind| match kind.as_str() {
                "full_attention" => Ok(None),
                "sliding_attention" => match window {
                    Some(window) => Ok(Some(window)),
                    None => Err(bad("`layer_types` has sliding_attention, but no sliding window is in use")),
                },
                other => Err(Error::new(Code::Unsupported, format!("layer type `{other}` is not supported"))),
            })
            .collect();
    }
    let first = raw.max_window_layers.unwrap_or(28);
    Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect())
}

/// An id, a list of ids, or nothing.
fn token_ids(name: &str, value: Option<&Value>) -> Result<Vec<u32>> {
    let one = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| bad(format!("`{name}` has {value}; expected a token id")))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(one).collect(),
        Some(id) => Ok(vec![one(id)?]),
    }
}

/// Reads a JSON file of a model directory.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let text = read_text(path, 64 << 20)?;
    serde_json::from_str(&text).map_err(|err| {
        Error::new(Code::ModelFormat, format!("{} is not valid JSON: {err}", path.display()))
            .with("path", path.display().to_string())
    })
}

fn at(err: Error, path: &Path) -> Error {
    err.context(path.display()).with("path", path.display().to_string())
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::ModelFormat, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn llama() -> Value {
        json!({"model_type": "llama", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24,
               "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut config = llama();
        config[key] = value;
        config
    }

    #[test]
    fn refusals_name_what_was_found() {
        for (config, expected) in [
            (
                with("model_type", json!("gpt2")),
                "model_type `gpt2` is not supported; supported are llama, qwen2, qwen3",
            ),
            (with("vocab_size", json!(0)), "`vocab_size` is 0"),
            (with("hidden_size", json!(1u64 << 60)), "`hidden_size`"),
            (with("num_key_value_heads", json!(3)), "expected a divisor"),
            (with("head_dim", json!(7)), "`head_dim` is 7"),
            (with("hidden_act", json!("relu")), "hidden_act `relu`"),
            (with("eos_token_id", json!("x")), "`eos_token_id`"),
            (with("quantization_config", json!({"bits": 4})), "quantized"),
        ] {
            let err = DecoderConfig::from_json(&config).unwrap_err();
            assert!(err.message().contains(expected), "{err}");
        }
    }

    #[test]
    fn several_eos_ids_and_windows() {
        let config = DecoderConfig::from_json(&with("eos_token_id", json!([1, 2]))).unwrap();
        assert_eq!(config.eos_token_ids, [1, 2]);
        let mut qwen = with("model_type", json!("qwen2"));
        qwen["use_sliding_window"] = json!(true);
        qwen["sliding_window"] = json!(8);
        qwen["max_window_layers"] = json!(1);
        let config = DecoderConfig::from_json(&qwen).unwrap();
        assert_eq!(config.windows, [None, Some(8)]);
        assert!(config.qkv_bias && !config.output_bias);
    }
}
