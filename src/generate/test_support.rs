//! Models and adapters that the tests of this layer and of reports use.

use super::{GenerateOptions, Generation, Session, SessionOptions};
use crate::adapter::{Adapter, AdapterOptions};
use crate::control::{Cancel, Control};
use crate::language_model::{LanguageModel, ModelOptions};
use crate::model::KvCacheDtype;
use crate::tensor::DeviceChoice;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn load(dir: &Path) -> LanguageModel {
    LanguageModel::load_own(dir, &ModelOptions::of_tests()).unwrap()
}

/// Random weights, byte-level vocabulary of 304 tokens: what it says is noise, its grammar is not.
pub(crate) fn random_model() -> LanguageModel {
    load(&root().join("tests/fixtures/models/qwen2"))
}

/// The bundled base model.
pub(crate) fn tiny_model() -> LanguageModel {
    load(&root().join("samples/models/tailora-tiny"))
}

/// The same with keys and values in eight bits, where it is on the CPU.
pub(crate) fn tiny_model_with_small_cache() -> LanguageModel {
    let mut options = ModelOptions::of_tests();
    if options.device == DeviceChoice::Cpu {
        options.kv_cache_dtype = KvCacheDtype::Q8_0;
    }
    LanguageModel::load_own(&root().join("samples/models/tailora-tiny"), &options).unwrap()
}

/// An adapter of `random_model`, written by PEFT.
pub(crate) fn adapter(model: &LanguageModel) -> Adapter {
    model.load_adapter(&root().join("tests/fixtures/training/qwen2/adapter"), &AdapterOptions::default()).unwrap()
}

/// A second one.
pub(crate) fn other_adapter(model: &LanguageModel) -> Adapter {
    model
        .load_adapter(&root().join("tests/fixtures/training/qwen2-rslora/adapter"), &AdapterOptions::default())
        .unwrap()
}

/// A folder of the real test assets, or a loud note.
pub(crate) fn asset(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared/assets").join(path);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not here", path.display());
        return None;
    }
    Some(path)
}

pub(crate) fn session(model: &LanguageModel) -> Session {
    Session::new(model, &SessionOptions::default()).unwrap()
}

pub(crate) fn options(json: &str) -> GenerateOptions {
    crate::options::parse(Some(json)).unwrap()
}

/// Generates without anyone listening.
pub(crate) fn generate(session: &mut Session, prompt: &str, json: &str) -> Generation {
    session.generate(prompt, &options(json), &Cancel::new(), &mut |_| Control::Continue).unwrap()
}
