//! Tailora fine-tunes a language model with LoRA on a company's own CSV and writes sourced JSON reports with it,
//! inside the host's process: no Python, no service, no network.
//!
//! The layers, from the top; imports point down only (`tests/layers.rs` holds that):
//!
//! ```text
//! fuzzing                     what fuzzers run; not in a release
//! capi                        the C ABI: decode → call → encode
//! docx                        reports as Word files, and what reviewers made of them
//! batch      registry         many reports as one job; versions of adapters in a folder
//! report                      what a business asks for
//! train                       LoRA training
//! evaluate                    how good a model and its adapters are on rows
//! passages                    a case that is text
//! conclusions                 what a text claims, how sure the model is of it, and which fields it owes it to
//! generate                    text, token by token
//! language_model              a base model as one thing: decoder + tokenizer + chat template
//! fields                      the named facts of a case
//! adapter    dataset          PEFT adapters; CSV rows as training examples
//! tokenize                    text ↔ tokens
//! model                       one decoder for training and inference
//! ops                         operators on activations, forward and backward beside each other
//! weights                     frozen matrices, by the type they are stored in
//! tensor                      activations, their memory and their device
//! gpu                         a card: memory, kernels and products, in the order of one stream
//! error control options files memory own_stack salted child
//!                             what everything stands on; `child` is for tests
//! ```
#![deny(unsafe_code)]

#[cfg(test)]
#[path = "../tests/child/mod.rs"]
mod child;
mod control;
mod error;
mod files;
mod memory;
pub mod options;
mod own_stack;
mod salted;

mod adapter;
mod batch;
mod conclusions;
mod dataset;
mod evaluate;
mod fields;
mod generate;
mod gpu;
mod language_model;
mod model;
mod ops;
mod passages;
mod registry;
mod report;
mod tensor;
mod tokenize;
mod train;
mod weights;

pub mod capi;
pub mod docx;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

pub use adapter::{Adapter, AdapterOptions, PatternMap, TargetModules};
pub use batch::{BatchOptions, BatchSummary, CaseFormat, MergeSummary, Shard, batch, merge_shards};
pub use control::{Cancel, Control, Monitor, Phase, Progress};
pub use dataset::{Dataset, DatasetOptions, EmptyRows, Encoding, LongRows, Row};
pub use error::{Code, Error, Result};
pub use evaluate::{EvaluateOptions, evaluate};
pub use generate::{
    Attached, BannedPhrase, ChatMessage, ChatRole, FinishReason, GenerateOptions, GeneratedToken, Generation,
    ScoreOptions, ScoredText, Session, SessionOptions, Stream, TopToken, Usage,
};
pub use language_model::{LanguageModel, ModelOptions};
pub use model::KvCacheDtype;
pub use passages::Passage;
pub use registry::{
    AliasAction, AliasChange, AliasState, AuditEntry, AuditLine, Publication, PublishOptions, Registry, Share,
};
pub use report::{
    Condition, InputKind, Pack, REPORT_SCHEMA, ReportMode, ReportOptions, RequiredMention, RulesOptions, pack_names,
    report,
};
pub use tensor::DeviceChoice;
pub use tokenize::TokenizeOptions;
pub use train::{
    AutoWord, ByteSize, GradientCheckpointing, SchedulerType, TrainOptions, TrainOutcome, estimate, train,
};
pub use weights::{Dtype, Quantize};
