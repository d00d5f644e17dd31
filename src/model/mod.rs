//! The decoder: configuration of the families, weights, layers, KV cache, forward and backward.

mod batch;
mod config;
mod decoder;
mod families;
mod files;
mod folder;
pub(crate) mod gguf;
mod gradients;
mod known_blocks;
mod kv_form;
mod kv_pool;
mod layer;
mod loader;
mod memory;
mod open;
mod passes;
mod prefixes;
mod read;
mod recognise;
mod recordings;
mod renamed;
mod row;
mod sites;
mod source;
mod surplus;
mod weight_file;
mod weights;

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod card_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod quantized_tests;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

pub(crate) use batch::PackedBatch;
pub(crate) use config::is_off;
pub(crate) use decoder::Decoder;
pub(crate) use files::ModelFiles;
pub(crate) use gguf::Gguf;
pub use kv_form::KvCacheDtype;
pub(crate) use kv_pool::{BlockTable, KvPool};
pub(crate) use memory::BatchSize;
pub(crate) use open::LoadPlan;
pub(crate) use passes::{Logits, Reply, Request, lock};
pub(crate) use recognise::model_name;
pub(crate) use row::Row;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use sites::APART;
pub(crate) use sites::{LoraGradients, LoraStack, LoraWeights, Module, ModuleTable, Ready, Site, Sites};
