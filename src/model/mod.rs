//! The decoder: configuration of the families, weights, layers, KV cache, forward and backward.

mod config;
mod config_fields;
mod decoder;
mod device;
mod files;
pub(crate) mod gguf;
mod kv_cache;
mod layer;
mod loader;
mod lora;
mod memory;
mod recognise;
mod rope_scaling;
mod source;
mod surplus;
mod training;
mod weight_file;
mod weights;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod quantized_tests;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

pub(crate) use config_fields::is_off;
pub(crate) use decoder::{Decoder, LoadPlan};
pub(crate) use device::available_devices;
pub use device::{DeviceChoice, Dtype};
pub(crate) use files::ModelFiles;
pub(crate) use gguf::Gguf;
pub(crate) use kv_cache::KvCache;
pub use loader::Quantize;
pub(crate) use lora::{LoraStack, LoraWeights, Projection, Site};
pub(crate) use memory::BatchSize;
pub(crate) use recognise::model_name;
pub(crate) use training::{LoraGradients, PackedBatch};
