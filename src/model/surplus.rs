//! Stored tensors that nobody asked for. A bias that the config does not mention or a layer beyond the last would change what
//! the model computes, so the checkpoint and its config contradict each other; what other programs keep beside the decoder
//! is only noted.

use super::config::{DecoderConfig, note};
use crate::error::{Code, Error, Result};
use std::collections::HashSet;

/// What older programs stored and every reader computes itself.
const COMPUTED: [&str; 6] = [
    "rotary_emb.inv_freq",
    "attn.masked_bias",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
    "attn_rot_embd.weight",
];
/// Where the decoder's own tensors are.
const DECODER: [&str; 4] = ["model.layers.", "model.norm.", "model.embed_tokens.", "lm_head."];

/// Refuses surplus tensors inside of the decoder; a note about the others.
pub(super) fn check(config: &DecoderConfig, stored: &[String], read: &HashSet<String>) -> Result<Option<String>> {
    let surplus = stored.iter().map(String::as_str).filter(|name| !read.contains(*name));
    let mut surplus: Vec<&str> = surplus.filter(|name| !COMPUTED.iter().any(|known| name.ends_with(known))).collect();
    surplus.sort_unstable();
    if let Some(name) = surplus.iter().find(|name| DECODER.iter().any(|front| name.starts_with(front))) {
        return Err(refusal(config, name, surplus.len() - 1));
    }
    Ok(note("the weight files have tensors that are no part of the decoder and were not used", &surplus))
}

fn refusal(config: &DecoderConfig, name: &str, others: usize) -> Error {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    let why = match layer.filter(|layer| *layer >= config.num_hidden_layers) {
        Some(layer) => format!("belongs to layer {layer}, and `num_hidden_layers` is {}", config.num_hidden_layers),
        None => format!("is no part of a {} model with this config", config.family.model_type),
    };
    let others = if others > 0 { format!(" (and {others} more such)") } else { String::new() };
    let message = format!("the stored tensor {name} {why}{others}; expected a config that fits the weights");
    Error::new(Code::ModelFormat, message).with("tensor", name)
}
