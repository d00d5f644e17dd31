//! `config.json` of a Hugging Face model, in its older and its transformers-5 form, as options of the one decoder.
//!
//! What a config leaves out is its family's (`families.rs`).

use super::config_fields::{Fields, check_unread, shown};
use super::families::{Family, family};
use super::rope_scaling::RopeScaling;
use super::sites::{Module, ModuleTable, Sites};
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::ops::swiglu::Activation;
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
    /// The linear layers of a decoder layer.
    pub(crate) modules: &'static ModuleTable,
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
    /// What was in the files and not used.
    pub(crate) notes: Vec<String>,
}

/// Upper bounds of what a config says: nonsense is refused before anything is allocated for it.
const LARGEST: usize = 1 << 24;
const MOST_LAYERS: usize = 1 << 12;
const LARGEST_HEAD: usize = 1 << 14;
const LONGEST_CONTEXT: usize = 1 << 30;

impl DecoderConfig {
    /// Reads `config.json` and, where there is one, `generation_config.json` from a model directory.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let value = read_json(&path)?;
        let mut config = Self::from_json(&value).map_err(|err| err.in_file(&path))?;
        let generation = dir.join("generation_config.json");
        if generation.exists() {
            let value = read_json(&generation)?;
            let ids = Fields::of(&value, "").and_then(|fields| token_ids("eos_token_id", fields.get("eos_token_id")));
            let ids =
                ids.and_then(|ids| config.check_ids(&ids).map(|()| ids)).map_err(|err| err.in_file(&generation))?;
            for id in ids {
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
        let fields = Fields::of(value, "")?;
        let model_type = fields.text("model_type")?.unwrap_or_default();
        // Before anything else, so that a foreign family is called that.
        let family = family(model_type).map_err(|err| err.with("architectures", fields.get("architectures")))?;
        let mut notes: Vec<String> = check_unread(fields)?.into_iter().collect();
        notes.extend(architecture_note(fields, family)?);
        let size = |name: &str, most: usize| match fields.required(name)? {
            size if (1..=most).contains(&size) => Ok(size),
            size => Err(bad(format!("`{name}` is {size}; expected 1 to {most}"))),
        };
        let (vocab_size, hidden_size) = (size("vocab_size", LARGEST)?, size("hidden_size", LARGEST)?);
        let heads = size("num_attention_heads", LARGEST)?;
        let num_key_value_heads = fields.size("num_key_value_heads")?.unwrap_or(heads);
        if num_key_value_heads == 0 || !heads.is_multiple_of(num_key_value_heads) {
            return Err(bad(format!(
                "`num_key_value_heads` is {num_key_value_heads}; expected a divisor of `num_attention_heads`, {heads}"
            )));
        }
        let head_dim = match fields.size("head_dim")?.or(family.default_head_dim) {
            Some(head_dim) => head_dim,
            None if hidden_size.is_multiple_of(heads) => hidden_size / heads,
            None => {
                return Err(bad(format!(
                    "`hidden_size` is {hidden_size}; expected a multiple of `num_attention_heads`, {heads}, or a `head_dim`"
                )));
            }
        };
        if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > LARGEST_HEAD {
            return Err(bad(format!("`head_dim` is {head_dim}; expected an even number of at most {LARGEST_HEAD}")));
        }
        let max_position_embeddings = fields.size("max_position_embeddings")?.unwrap_or(2048);
        if !(1..=LONGEST_CONTEXT).contains(&max_position_embeddings) {
            let found = format!("`max_position_embeddings` is {max_position_embeddings}");
            return Err(bad(format!("{found}; expected 1 to {LONGEST_CONTEXT}")));
        }
        let rms_norm_eps = fields.real("rms_norm_eps")?.unwrap_or(1e-6);
        if !(rms_norm_eps > 0.0 && rms_norm_eps < 1.0) {
            return Err(bad(format!("`rms_norm_eps` is {rms_norm_eps}; expected a small positive number")));
        }
        let attention_bias = fields.flag("attention_bias")?.unwrap_or(false);
        let rope = RopeScaling::from_config(value, head_dim, max_position_embeddings, &mut notes)?;
        let num_hidden_layers = size("num_hidden_layers", MOST_LAYERS)?;
        let config = DecoderConfig {
            model_type: model_type.to_string(),
            vocab_size,
            hidden_size,
            intermediate_size: size("intermediate_size", LARGEST)?,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads,
            head_dim,
            max_position_embeddings: rope.context.min(LONGEST_CONTEXT),
            rms_norm_eps,
            activation: activation(fields.text("hidden_act")?.unwrap_or("silu"))?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(false),
            modules: family.modules,
            qkv_bias: family.qkv_bias || attention_bias,
            output_bias: attention_bias,
            mlp_bias: fields.flag("mlp_bias")?.unwrap_or(false),
            qk_norm: family.qk_norm,
            rope,
            windows: windows(fields, family, num_hidden_layers, &mut notes)?,
            bos_token_id: token_ids("bos_token_id", fields.get("bos_token_id"))?.first().copied(),
            eos_token_ids: token_ids("eos_token_id", fields.get("eos_token_id"))?,
            notes,
        };
        config.check_ids(&config.eos_token_ids)?;
        Ok(config)
    }

    /// Where deltas attach.
    pub(crate) fn sites(&self) -> Sites {
        Sites { table: self.modules, num_layers: self.num_hidden_layers }
    }

    /// `(out_features, in_features)` of a module; the same in every layer.
    pub(crate) fn module_shape(&self, module: Module) -> (usize, usize) {
        let hidden = self.hidden_size;
        let (queries, keys) = (self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim);
        let of = |paths: &[&str], widths: &[usize]| {
            let index = paths.iter().position(|path| *path == module.path())?;
            // Fused projections have the columns of all of them.
            Some(if paths.len() == widths.len() { widths[index] } else { widths.iter().sum() })
        };
        if let Some(width) = of(self.modules.qkv, &[queries, keys, keys]) {
            (width, hidden)
        } else if let Some(width) = of(self.modules.gate_up, &[self.intermediate_size; 2]) {
            (width, hidden)
        } else if self.modules.output.contains(&module.path()) {
            (hidden, queries)
        } else {
            (hidden, self.intermediate_size)
        }
    }

    /// Whether a module has a bias.
    pub(super) fn has_bias(&self, module: Module) -> bool {
        if self.modules.qkv.contains(&module.path()) {
            self.qkv_bias
        } else if self.modules.output.contains(&module.path()) {
            self.output_bias
        } else {
            self.mlp_bias
        }
    }

    /// An id that no token has never ends a generation.
    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            None => Ok(()),
            Some(id) => {
                let message = format!("`eos_token_id` has {id}; expected ids below `vocab_size`, {}", self.vocab_size);
                Err(bad(message).with("key", "eos_token_id"))
            }
        }
    }
}

/// A class that writes with another family's layers, or does not write at all.
fn architecture_note(fields: Fields<'_>, family: &Family) -> Result<Option<String>> {
    let named = fields.texts("architectures")?.unwrap_or_default();
    let fits = |name: &&str| {
        name.to_lowercase().starts_with(family.model_type) && name.to_lowercase().ends_with("forcausallm")
    };
    Ok((!named.is_empty() && !named.iter().any(fits)).then(|| {
        let named: String = named.join(", ").chars().take(100).collect();
        format!(
            "config.json names the architecture {named}; the model was read as a causal {} model",
            family.model_type
        )
    }))
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

fn windows(fields: Fields<'_>, family: &Family, layers: usize, notes: &mut Vec<String>) -> Result<Vec<Option<usize>>> {
    let (window, used) = (fields.size("sliding_window")?, fields.flag("use_sliding_window")?);
    let (first, types) = (fields.size("max_window_layers")?.unwrap_or(28), fields.texts("layer_types")?);
    if !family.sliding {
        let slides = types.is_some_and(|types| types.iter().any(|kind| *kind != "full_attention"));
        if window.is_some() || slides {
            notes.push(format!(
                "{} models have no sliding window; the one in config.json was not used",
                family.model_type
            ));
        }
        return Ok(vec![None; layers]);
    }
    let window = window.filter(|_| used.unwrap_or(false));
    if window == Some(0) {
        return Err(bad("`sliding_window` is 0; expected at least 1"));
    }
    let Some(types) = types else {
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if types.len() != layers {
        return Err(bad(format!("`layer_types` has {} entries; expected {layers}", types.len())));
    }
    let of_type = |kind: &str| match (kind, window) {
        ("full_attention", _) => Ok(None),
        ("sliding_attention", Some(window)) => Ok(Some(window)),
        ("sliding_attention", None) => Err(bad("`layer_types` has sliding_attention, but no sliding window is in use")),
        _ => Err(Error::new(Code::Unsupported, format!("layer type `{kind}` is not supported"))),
    };
    types.into_iter().map(of_type).collect()
}

/// An id, a list of ids, or nothing.
fn token_ids(name: &str, value: Option<&Value>) -> Result<Vec<u32>> {
    let one = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| bad(format!("`{name}` has {}; expected a token id", shown(value))))
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
        Error::new(Code::ModelFormat, format!("{} is not valid JSON: {err}", path.display())).with_path(path)
    })
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
            (json!({"model_type": "gemma3", "text_config": {}}), "model_type `gemma3` is not supported; supported are"),
            (json!({"architectures": ["X"]}), "names no model_type; supported are"),
            (json!([]), "the file is a list of 0; expected an object"),
            (with("model_type", json!(7)), "`model_type` is 7; expected a text"),
            (with("vocab_size", json!("32")), "`vocab_size` is \"32\"; expected a whole number"),
            (with("hidden_size", json!(16.5)), "`hidden_size` is 16.5"),
            (with("hidden_size", json!(18)), "`hidden_size` is 18; expected a multiple"),
            (with("num_hidden_layers", json!(1 << 20)), "`num_hidden_layers` is 1048576"),
            (with("num_hidden_layers", Value::Null), "`num_hidden_layers` is missing"),
            (with("max_position_embeddings", json!(1u64 << 60)), "`max_position_embeddings`"),
            (with("rms_norm_eps", json!("1e-6")), "`rms_norm_eps` is \"1e-6\"; expected a number"),
            (with("rope_theta", json!("x")), "`rope_theta` is \"x\"; expected a number"),
            (with("tie_word_embeddings", json!("yes")), "`tie_word_embeddings` is \"yes\"; expected true or false"),
            (with("attention_bias", json!(1)), "`attention_bias` is 1"),
            (with("hidden_act", json!(["silu"])), "`hidden_act` is a list of 1"),
            (with("layer_types", json!([1])), "`layer_types` is a list of 1; expected a list of texts"),
            (with("architectures", json!("X")), "`architectures`"),
            (with("eos_token_id", json!(32)), "`eos_token_id` has 32; expected ids below `vocab_size`, 32"),
            (with("final_logit_softcapping", json!(30.0)), "`final_logit_softcapping` is 30"),
            (with("logit_scale", json!(0.5)), "`logit_scale` is 0.5, which is not supported"),
            (with("num_experts", json!(8)), "`num_experts` is 8"),
            (with("partial_rotary_factor", json!(0.5)), "`partial_rotary_factor`"),
            (with("use_qk_norm", json!(true)), "`use_qk_norm`"),
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

    #[test]
    fn what_is_not_used_is_noted_and_what_is_known_is_not() {
        let notes = |key: &str, value: Value| DecoderConfig::from_json(&with(key, value)).unwrap().notes;
        assert_eq!(notes("logit_scale", json!(1.0)), [""; 0]);
        assert_eq!(notes("architectures", json!(["LlamaForCausalLM"])), [""; 0]);
        assert_eq!(notes("new_thing", Value::Null), [""; 0]);
        for (key, value) in [
            ("new_thing", json!(3)),
            ("sliding_window", json!(4096)),
            ("architectures", json!(["LlamaForSequenceClassification"])),
            ("rope_scaling", json!({"type": "linear", "factor": 2, "new_thing": 1})),
        ] {
            let found = notes(key, value);
            assert_eq!(found.len(), 1, "{key}: {found:?}");
        }
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![dir.join("samples/models/tailora-tiny")];
        folders.extend(["llama2", "qwen2", "qwen3"].map(|name| dir.join("tests/fixtures/models").join(name)));
        let real = dir.join("../shared/assets/tokenizers/configs");
        match std::fs::read_dir(&real) {
            Ok(entries) => folders.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())),
            Err(_) => println!("SKIPPED: real configs: {} is not there", real.display()),
        }
        for folder in folders.iter().filter(|folder| !folder.ends_with("Qwen3-30B-A3B")) {
            assert_eq!(DecoderConfig::load(folder).unwrap().notes, [""; 0], "{}", folder.display());
        }
    }
}
