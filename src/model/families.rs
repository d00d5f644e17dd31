//! The families of models. A family is a row of facts that its `config.json` leaves out (which projections have a bias,
//! whether queries and keys are normalised, …), not a copy of the network.
//!
//! Sources: `configuration_llama.py`, `configuration_qwen2.py`, `configuration_qwen3.py` of transformers.

use super::sites::{APART, ModuleTable};
use crate::error::{Code, Error, Result};

/// Facts of a family.
pub(super) struct Family {
    /// As `config.json` names it.
    pub(super) model_type: &'static str,
    /// The linear layers of a decoder layer.
    pub(super) modules: &'static ModuleTable,
    /// Bias on q, k and v, whatever `attention_bias` says.
    pub(super) qkv_bias: bool,
    /// RMS norm of each head's query and key before RoPE.
    pub(super) qk_norm: bool,
    /// Whether `use_sliding_window` and `layer_types` mean anything.
    pub(super) sliding: bool,
    pub(super) default_head_dim: Option<usize>,
}

const LLAMA: Family = Family {
    model_type: "llama",
    modules: &APART,
    qkv_bias: false,
    qk_norm: false,
    sliding: false,
    default_head_dim: None,
};

const FAMILIES: [Family; 3] = [
    LLAMA,
    Family { model_type: "qwen2", qkv_bias: true, sliding: true, ..LLAMA },
    Family { model_type: "qwen3", qk_norm: true, sliding: true, default_head_dim: Some(128), ..LLAMA },
];

/// The family of that name.
///
/// # Errors
/// `Unsupported`, naming those that there are.
pub(super) fn family(model_type: &str) -> Result<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
        let found = match model_type {
            "" => "the config names no model_type".to_owned(),
            other => format!("model_type `{other}` is not supported"),
        };
        Error::new(Code::Unsupported, format!("{found}; supported are {}", known.join(", ")))
            .with("model_type", model_type)
    })
}
