//! Where tests find tokenizers.

pub(crate) use crate::model::test_support::assets;

use super::{ChatTemplate, PromptFormat, Tokenizer};
use std::path::{Path, PathBuf};

/// A directory of the repository.
pub(crate) fn repository(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// The format of a directory whose model stops at `eos`.
pub(crate) fn format(dir: &Path, eos: &[&str]) -> PromptFormat {
    let tokenizer = Tokenizer::load(dir).unwrap();
    let eos: Vec<u32> = eos.iter().map(|token| tokenizer.token_to_id(token).unwrap()).collect();
    PromptFormat::new(tokenizer, ChatTemplate::load(dir).unwrap(), &eos, None).unwrap()
}

/// A tokenizer with a token for every byte.
pub(crate) fn byte_level() -> Tokenizer {
    Tokenizer::load(&repository("tests/fixtures/models/qwen2")).unwrap()
}
