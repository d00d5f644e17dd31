//! The settings of a `config.json`, typed: a value of another type is an error that names it, and a setting that nobody reads
//! is held against what is known of it, so that none changes a model's mathematics unseen.

use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// A JSON object of settings. Null counts as absent, as in transformers.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// Where in the file it is, for messages: empty, or with a dot at its end.
    place: &'static str,
}

impl<'a> Fields<'a> {
    /// `value`, which must be an object.
    pub(super) fn of(value: &'a Value, place: &'static str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Fields { object, place }),
            other => {
                let what = if place.is_empty() { "the file" } else { place.trim_end_matches('.') };
                Err(bad(format!("{what} is {}; expected an object", shown(other))))
            }
        }
    }

    /// An object inside of this one.
    pub(super) fn inner(self, name: &str, place: &'static str) -> Result<Option<Self>> {
        self.get(name).map(|value| Fields::of(value, place)).transpose()
    }

    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.object.iter().filter(|(_, value)| !is_off(value)).map(|(name, _)| name.as_str())
    }

    /// A whole number, 0 or more.
    pub(super) fn size(self, name: &str) -> Result<Option<usize>> {
        self.read(name, "a whole number, 0 or more", |value| value.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    pub(super) fn real(self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a number", Value::as_f64)
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "a text", Value::as_str)
    }

    pub(super) fn texts(self, name: &str) -> Result<Option<Vec<&'a str>>> {
        self.read(name, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// What a model cannot do without.
    pub(super) fn required(self, name: &str) -> Result<usize> {
        self.size(name)?.ok_or_else(|| bad(format!("`{}{name}` is missing; expected a whole number", self.place)))
    }

    fn read<T>(self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        self.get(name)
            .map(|value| {
                read(value).ok_or_else(|| {
                    bad(format!("`{}{name}` is {}; expected {expected}", self.place, shown(value))).with("key", name)
                })
            })
            .transpose()
    }
}

/// Settings that are read.
const READ: &[&str] = &[
    "architectures",
    "attention_bias",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
];

/// Settings of training, of saving, of generation by other programs, and of tasks other than writing: none changes what
/// the layers compute.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "chunk_size_feed_forward",
    "do_sample",
    "dtype",
    "embd_pdrop",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "max_length",
    "model_max_length",
    "name_or_path",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_past",
    "pad_token_id",
    "pretraining_tp",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "sep_token_id",
    "temperature",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
];

/// Settings of relatives of the known families that change what the layers compute, and the number, if there is one, with
/// which they change nothing.
const CHANGING: &[(&str, Option<f64>)] = &[
    ("add_cross_attention", None),
    ("alibi", None),
    ("attention_chunk_size", None),
    ("attention_multiplier", None),
    ("attn_logit_softcapping", None),
    ("clip_qkv", None),
    ("compression_config", None),
    ("cross_attention_layers", None),
    ("dim_model_base", None),
    ("dual_chunk_attention_config", None),
    ("embedding_multiplier", Some(1.0)),
    ("final_logit_softcapping", None),
    ("is_encoder_decoder", None),
    ("kv_lora_rank", None),
    ("logit_scale", Some(1.0)),
    ("logits_scaling", Some(1.0)),
    ("n_routed_experts", Some(0.0)),
    ("no_rope_layer_interval", Some(0.0)),
    ("no_rope_layers", None),
    ("num_experts", Some(0.0)),
    ("num_local_experts", Some(0.0)),
    ("parallel_attn", None),
    ("partial_rotary_factor", Some(1.0)),
    ("pruned_heads", None),
    ("q_lora_rank", None),
    ("qk_layernorm", None),
    ("quantization_config", None),
    ("query_pre_attn_scalar", None),
    ("residual_multiplier", Some(1.0)),
    ("rope_interleaved", None),
    ("rotary_pct", Some(1.0)),
    ("scale_depth", None),
    ("scale_emb", Some(1.0)),
    ("text_config", None),
    ("tie_encoder_decoder", None),
    ("use_dynamic_ntk", None),
    ("use_logn_attn", None),
    ("use_mrope", None),
    ("use_parallel_residual", None),
    ("use_qk_norm", None),
    ("vision_config", None),
];

/// Refuses settings that would change the mathematics; a note about those of which nothing is known.
pub(super) fn check_unread(fields: Fields<'_>) -> Result<Option<String>> {
    for (name, neutral) in CHANGING {
        let Some(value) = fields.get(name) else { continue };
        if !is_off(value) && (neutral.is_none() || value.as_f64() != *neutral) {
            let what = match *name {
                "quantization_config" | "compression_config" => {
                    format!("the weights are stored quantized (`{name}`); use the original weights")
                }
                _ => format!("`{name}` is {}, which is not supported", shown(value)),
            };
            return Err(Error::new(Code::Unsupported, what).with("key", *name));
        }
    }
    let known = |name: &&str| {
        READ.contains(name) || HARMLESS.contains(name) || CHANGING.iter().any(|(changing, _)| changing == name)
    };
    let unknown: Vec<&str> = fields.names().filter(|name| !known(name)).collect();
    Ok(note("config.json has settings that are not known here and were not used", &unknown))
}

/// What was found, and the first few names.
pub(super) fn note(what: &str, names: &[&str]) -> Option<String> {
    const FEW: usize = 8;
    let listed: Vec<String> = names.iter().take(FEW).map(|name| name.chars().take(60).collect()).collect();
    match names.len() {
        0 => None,
        len if len <= FEW => Some(format!("{what}: {}", listed.join(", "))),
        len => Some(format!("{what}: {} and {} more", listed.join(", "), len - FEW)),
    }
}

/// Whether a setting says that something is not used, in whatever form the file says so.
pub(crate) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A value short enough for a message.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(items) => format!("an object of {} entries", items.len()),
        other => {
            let text = other.to_string();
            if text.chars().count() <= 80 { text } else { text.chars().take(80).chain("…".chars()).collect() }
        }
    }
}

fn bad(message: String) -> Error {
    Error::new(Code::ModelFormat, message)
}
