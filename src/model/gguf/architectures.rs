//! The architectures of llama.cpp that are read: the family that each is, and what its converter does to a model.
//! Source: `convert_hf_to_gguf.py`, `llama-arch.cpp` and `llama-model.cpp` of llama.cpp.

use crate::error::{Code, Error, Result};

/// An architecture.
pub(super) struct Architecture {
    /// As `general.architecture` names it.
    pub(super) name: &'static str,
    /// As `config.json` names the family.
    pub(super) model_type: &'static str,
    /// Whether the rows of q and k are in the order that pairs neighbours instead of the halves of a head.
    pub(super) permuted: bool,
    /// Layers of the models whose scores are scaled by the width of the model over its heads (Gemma's largest).
    pub(super) scaled_by_width: &'static [u64],
}

const fn same(name: &'static str) -> Architecture {
    Architecture { name, model_type: name, permuted: false, scaled_by_width: &[] }
}

const fn permuted(name: &'static str) -> Architecture {
    Architecture { permuted: true, ..same(name) }
}

const ARCHITECTURES: [Architecture; 15] = [
    permuted("llama"),
    same("qwen2"),
    same("qwen3"),
    Architecture { model_type: "qwen3_moe", ..same("qwen3moe") },
    permuted("internlm2"),
    same("phi3"),
    permuted("smollm3"),
    permuted("granite"),
    permuted("minicpm"),
    same("olmo2"),
    Architecture { model_type: "glm", ..same("chatglm") },
    same("glm4"),
    same("gemma"),
    Architecture { scaled_by_width: &[46], ..same("gemma2") },
    Architecture { model_type: "gemma3_text", scaled_by_width: &[62], ..same("gemma3") },
];

/// The architecture of that name.
///
/// # Errors
/// `Unsupported`, naming those that there are.
pub(super) fn architecture(name: &str) -> Result<&'static Architecture> {
    ARCHITECTURES.iter().find(|known| known.name == name).ok_or_else(|| {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|known| known.name).collect();
        let message = format!("the architecture `{name}` is not supported; supported are {}", known.join(", "));
        Error::new(Code::Unsupported, message).with("architecture", name)
    })
}
