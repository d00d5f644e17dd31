//! A small vocabulary that can write every document, for tests and fuzzing.

use super::Compiler;
use crate::tokenize::Vocabulary;
use llguidance::toktrie::{ApproximateTokEnv, TokRxInfo, TokTrie};
use std::sync::{Arc, LazyLock};

/// Tokens of several bytes.
const WORDS: [&str; 9] = ["\",\"", "\":", "{\"", "}]", "true", "null", "高", "12", ".5"];
/// The token that ends a document.
pub(crate) const END: u32 = 256 + WORDS.len() as u32;

/// Every byte, and a few tokens of several.
pub(crate) static COMPILER: LazyLock<Compiler> = LazyLock::new(|| {
    let mut words: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    words.extend(WORDS.map(|word| word.as_bytes().to_vec()));
    let end = END;
    words.push(vec![TokTrie::SPECIAL_TOKEN_MARKER, b'e']);
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words);
    Compiler::new(Arc::new(Vocabulary::of(Arc::new(ApproximateTokEnv::new(trie))).unwrap()))
});
