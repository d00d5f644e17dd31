//! Where tests find tokenizers.

use super::{ChatTemplate, PromptFormat, Tokenizer};
use std::path::{Path, PathBuf};

/// The assets beside the repository; a loud line and `None` where they are absent.
pub(crate) fn assets(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets").join(below);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

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
