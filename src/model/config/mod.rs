//! `config.json` of a Hugging Face model, in its older and its transformers-5 form, as options of the one decoder.
//!
//! What a config leaves out is its family's (`families`).

mod experts;
mod fields;
mod layers;
mod rope;
mod scales;
mod settings;
mod sizes;
mod tokens;
mod windows;

#[cfg(test)]
mod tests;

pub(super) use experts::ExpertsConfig;
pub(crate) use fields::is_off;
pub(super) use fields::note;
pub(super) use layers::LayerConfig;
pub(super) use rope::RopeScaling;
pub(super) use scales::Scales;

use super::families::{self, Biases, Family, QkNorm};
use super::sites::{Module, Sites};
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::ops::swiglu::Activation;
use fields::Fields;
use serde_json::Value;
use sizes::{LONGEST_CONTEXT, Sizes};
use std::path::Path;
use tokens::{check_end_tokens, token_ids};

/// What the decoder needs to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DecoderConfig {
    pub(crate) family: &'static Family,
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    /// In place of the one MLP.
    pub(crate) experts: Option<ExpertsConfig>,
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
    /// Bias on the projections of the MLP.
    pub(crate) mlp_bias: bool,
    /// What is added to a stored weight of a norm.
    pub(crate) norm_offset: f32,
    pub(crate) scales: Scales,
    /// The rotations that layers name.
    pub(crate) ropes: Vec<RopeScaling>,
    pub(crate) layers: Vec<LayerConfig>,
    pub(crate) bos_token_id: Option<u32>,
    /// Every id that ends a generation, from `generation_config.json` and `config.json`.
    pub(crate) eos_token_ids: Vec<u32>,
    /// What was in the files and not used.
    pub(crate) notes: Vec<String>,
}

impl DecoderConfig {
    /// Reads `config.json` and, where there is one, `generation_config.json` from a model directory.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let mut config = Self::from_json(&read_json(&path)?).map_err(|err| err.in_file(&path))?;
        let path = dir.join("generation_config.json");
        if path.exists() {
            let value = read_json(&path)?;
            let ids = Fields::of(&value, "").and_then(|fields| token_ids("eos_token_id", fields.get("eos_token_id")));
            let ids = ids.and_then(|ids| check_end_tokens(&ids, config.vocab_size).map(|()| ids));
            for id in ids.map_err(|err| err.in_file(&path))? {
                if !config.eos_token_ids.contains(&id) {
                    config.eos_token_ids.push(id);
                }
            }
        }
        Ok(config)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, "")?;
        let model_type = fields.text("model_type")?.unwrap_or_default();
        // Before anything else, so that a foreign family is called that.
        let family = families::family(model_type);
        let family = family.map_err(|err| err.with("architectures", fields.get("architectures")))?;
        let mut notes: Vec<String> = architecture_note(fields, family)?.into_iter().collect();
        let (whole, defaults) = (fields, family.defaults()?);
        let fields = match family.nested {
            None => whole,
            Some(name) => whole.inner(name, "text_config.")?.ok_or_else(|| bad(format!("`{name}` is missing")))?,
        };
        let fields = fields.with(&defaults, family.aliases);
        notes.extend(settings::check_unread(fields, family)?);
        let sizes = Sizes::read(fields)?;
        let attention_bias = fields.flag("attention_bias")?.unwrap_or(false);
        let ropes = RopeScaling::read(fields, family, &sizes, &mut notes)?;
        let ids = |name: &str| token_ids(name, fields.get(name).or_else(|| whole.get(name)));
        let config = DecoderConfig {
            family,
            vocab_size: sizes.vocab,
            hidden_size: sizes.hidden,
            intermediate_size: sizes.intermediate,
            experts: ExpertsConfig::read(fields, family)?,
            num_hidden_layers: sizes.layers,
            num_attention_heads: sizes.heads,
            num_key_value_heads: sizes.key_value_heads,
            head_dim: sizes.head_dim,
            max_position_embeddings: ropes.first().map_or(sizes.context, |rope| rope.context).min(LONGEST_CONTEXT),
            rms_norm_eps: rms_norm_eps(fields)?,
            activation: activation(fields.text("hidden_act")?.unwrap_or("silu"))?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(false),
            qkv_bias: attention_bias || family.biases == Biases::Inputs,
            output_bias: attention_bias && family.biases != Biases::InputsAsSaid,
            mlp_bias: fields.flag("mlp_bias")?.unwrap_or(false),
            norm_offset: family.norm_offset,
            scales: Scales::read(fields, family, &sizes)?,
            ropes,
            layers: layers::read(fields, family, sizes.layers, &mut notes)?,
            bos_token_id: ids("bos_token_id")?.first().copied(),
            eos_token_ids: ids("eos_token_id")?,
            notes,
        };
        check_end_tokens(&config.eos_token_ids, config.vocab_size)?;
        Ok(config)
    }

    /// Where deltas attach.
    pub(crate) fn sites(&self) -> Sites {
        Sites { table: self.family.modules, num_layers: self.num_hidden_layers }
    }

    /// Columns of queries, keys and values.
    pub(super) fn qkv_widths(&self) -> [usize; 3] {
        let keys = self.num_key_value_heads * self.head_dim;
        [self.num_attention_heads * self.head_dim, keys, keys]
    }

    /// What one weight of the norms of queries and of keys is for, where they have norms.
    pub(super) fn qk_norm_widths(&self) -> Option<[usize; 2]> {
        self.family.qk_norm.map(|kind| match kind {
            QkNorm::Head => [self.head_dim; 2],
            QkNorm::Whole => [self.qkv_widths()[0], self.qkv_widths()[1]],
        })
    }

    /// `(out_features, in_features)` of a module; the same in every layer.
    pub(crate) fn module_shape(&self, module: Module) -> (usize, usize) {
        let (hidden, queries) = (self.hidden_size, self.qkv_widths()[0]);
        let of = |paths: &[&str], widths: &[usize]| {
            let index = paths.iter().position(|path| *path == module.path())?;
            // Fused projections have the columns of all of them.
            Some(if paths.len() == widths.len() { widths[index] } else { widths.iter().sum() })
        };
        let modules = self.family.modules;
        if let Some(width) = of(modules.qkv, &self.qkv_widths()) {
            (width, hidden)
        } else if let Some(width) = of(modules.gate_up, &[self.intermediate_size; 2]) {
            (width, hidden)
        } else if modules.output.contains(&module.path()) {
            (hidden, queries)
        } else {
            (hidden, self.intermediate_size)
        }
    }

    /// Whether a module has a bias.
    pub(super) fn has_bias(&self, module: Module) -> bool {
        if self.family.modules.qkv.contains(&module.path()) {
            self.qkv_bias
        } else if self.family.modules.output.contains(&module.path()) {
            self.output_bias
        } else {
            self.mlp_bias
        }
    }
}

/// A class that writes with another family's layers, or does not write at all.
fn architecture_note(fields: Fields<'_>, family: &Family) -> Result<Option<String>> {
    let named = fields.texts("architectures")?.unwrap_or_default();
    Ok((!named.is_empty() && !named.iter().any(|name| family.classes.contains(name))).then(|| {
        let named: String = named.join(", ").chars().take(100).collect();
        let of = family.model_type;
        format!("config.json names the architecture {named}; the model was read as a causal {of} model")
    }))
}

fn rms_norm_eps(fields: Fields<'_>) -> Result<f64> {
    match fields.real("rms_norm_eps")?.unwrap_or(1e-6) {
        eps if eps > 0.0 && eps < 1.0 => Ok(eps),
        eps => Err(bad(format!("`rms_norm_eps` is {eps}; expected a small positive number"))),
    }
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
