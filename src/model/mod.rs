//! The decoder: configuration of the families, weights, layers, KV cache, forward and backward.

mod lora;

pub(crate) use lora::{LoraStack, LoraWeights, Projection, Site};
