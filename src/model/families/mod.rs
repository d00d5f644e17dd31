//! The families of models. A family is a row of facts that its `config.json` leaves out (the modules and norms of a layer, what
//! its configuration class has for a missing setting, …), not a copy of the network.
//!
//! Sources: `configuration_<family>.py` and `modeling_<family>.py` of transformers, unless a row names another.

mod gemma;
mod glm;
mod granite;
mod internlm;
mod llama;
mod mistral;
mod norms;
mod olmo;
mod phi;
mod qwen;
mod smollm;
mod stored;

pub(crate) use norms::{Around, NormTable};
pub(crate) use stored::StoredNames;

use super::sites::ModuleTable;
use crate::error::{Code, Error, Result};
pub(super) use crate::ops::rope::Pairs;
use serde_json::{Map, Value};

/// Every family.
const FAMILIES: &[&Family] = &[
    &llama::LLAMA,
    &qwen::QWEN2,
    &qwen::QWEN3,
    &qwen::QWEN3_MOE,
    &mistral::MISTRAL,
    &internlm::INTERNLM2,
    &internlm::INTERNLM3,
    &phi::PHI3,
    &smollm::SMOLLM3,
    &granite::GRANITE,
    &granite::MINICPM,
    &olmo::OLMO2,
    &glm::GLM,
    &glm::GLM4,
    &gemma::GEMMA,
    &gemma::GEMMA2,
    &gemma::GEMMA3_TEXT,
    &gemma::GEMMA3,
];

/// Facts of a family. There is one of each, so it is equal to itself alone.
#[derive(Debug)]
pub(crate) struct Family {
    /// As `config.json` names it.
    pub(crate) model_type: &'static str,
    /// The classes that write, as `architectures` names them.
    pub(super) classes: &'static [&'static str],
    /// The linear layers of a decoder layer.
    pub(crate) modules: &'static ModuleTable,
    /// The norms of a decoder layer.
    pub(crate) norms: &'static NormTable,
    /// What its configuration class has where a config leaves a setting out, as JSON.
    pub(super) defaults: &'static str,
    /// Settings that it reads and others do not know.
    pub(super) settings: &'static [&'static str],
    /// Our names of settings, and its own.
    pub(super) aliases: &'static [(&'static str, &'static str)],
    /// Where in its config that of the decoder is, where it is not the whole.
    pub(super) nested: Option<&'static str>,
    /// What its weight files call their tensors, where that is not what Llama's do.
    pub(crate) stored: Option<&'static StoredNames>,
    /// Where queries, keys, values and their output have biases.
    pub(super) biases: Biases,
    /// RMS norm of queries and keys before RoPE.
    pub(super) qk_norm: Option<QkNorm>,
    /// Whether the embedding is multiplied with the root of its width.
    pub(super) scales_embedding: bool,
    /// What is added to a stored weight of a norm.
    pub(super) norm_offset: f32,
    /// The rotations of its layers.
    pub(super) ropes: Ropes,
    /// How a rotation takes the features of a head in pairs.
    pub(super) pairs: Pairs,
    /// Which layers see a window of keys alone.
    pub(super) windows: Windows,
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Family {
    /// What its configuration class has where a config leaves a setting out.
    pub(super) fn defaults(&self) -> Result<Map<String, Value>> {
        let of = self.model_type;
        serde_json::from_str(self.defaults)
            .map_err(|err| Error::new(Code::Internal, format!("the defaults of {of}: {err}")))
    }
}

/// Biases of attention's projections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Biases {
    /// On all four, if `attention_bias`.
    AsSaid,
    /// On queries, keys and values always, on the output if `attention_bias`.
    Inputs,
    /// On queries, keys and values if `attention_bias`, on the output never.
    InputsAsSaid,
}

/// The rotations of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ropes {
    /// One for all layers that have any.
    One,
    /// One for layers that see everything, and one for those that see a window.
    ByWindow,
}

/// What one weight of a norm of queries and keys is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QkNorm {
    /// A head.
    Head,
    /// All heads together.
    Whole,
}

/// Which layers see the last `sliding_window` keys alone, where `layer_types` does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Windows {
    /// None, whatever the config says.
    Never,
    /// All, if there is a `sliding_window`.
    All,
    /// All, if `use_sliding_window`.
    AllIfUsed,
    /// All but every n-th (`sliding_window_pattern`, or this).
    AllBut(usize),
    /// Those that rotate nothing, if `use_sliding_window`.
    WithoutRope,
    /// From layer `max_window_layers` on, if `use_sliding_window`.
    Upper,
}

/// The family of the first row, which has no settings of its own.
#[cfg(test)]
pub(super) fn plain() -> &'static Family {
    FAMILIES[0]
}

/// The family of that name.
///
/// # Errors
/// `Unsupported`, naming those that there are.
pub(super) fn family(model_type: &str) -> Result<&'static Family> {
    FAMILIES.iter().copied().find(|family| family.model_type == model_type).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
        let found = match model_type {
            "" => "the config names no model_type".to_owned(),
            other => format!("model_type `{other}` is not supported"),
        };
        Error::new(Code::Unsupported, format!("{found}; supported are {}", known.join(", ")))
            .with("model_type", model_type)
    })
}
