//! A model of tokens that remembers words. The memory of BPE in `tokenizers` belongs to threads: it grows with each tokenizer that a
//! thread has worked with, and goes with the thread; with no room for words it still has an empty list. This one goes with its
//! tokenizer.

use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use tokenizers::models::TrainerWrapper;
use tokenizers::{
    DecoderWrapper, Model, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Result, Token,
    TokenizerImpl,
};

/// The pipeline of `tokenizers` with such a model.
pub(super) type Pipeline =
    TokenizerImpl<Words, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Most words that are remembered; then all are forgotten.
const MOST: usize = 10_000;
/// Bytes of the longest that is, and its most tokens: 10,000 of them would take 15 MB.
const LONGEST: usize = 64;
const MOST_TOKENS: usize = 16;

/// A model, and the tokens of words that it was asked for.
pub(super) struct Words {
    model: ModelWrapper,
    known: RwLock<HashMap<Box<str>, Box<[Token]>>>,
}

impl<'de> Deserialize<'de> for Words {
    /// Without what makes tokens depend on chance.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut model = ModelWrapper::deserialize(deserializer)?;
        if let ModelWrapper::BPE(model) = &mut model {
            model.resize_cache(0);
            model.dropout = None;
        }
        Ok(Words { model, known: RwLock::default() })
    }
}

impl Model for Words {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> Result<Vec<Token>> {
        // The others have a memory of their own, or need none.
        if !matches!(self.model, ModelWrapper::BPE(_)) || word.len() > LONGEST {
            return self.model.tokenize(word);
        }
        if let Some(tokens) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(word) {
            return Ok(tokens.to_vec());
        }
        let tokens = self.model.tokenize(word)?;
        if tokens.len() > MOST_TOKENS {
            return Ok(tokens);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MOST {
            known.clear();
        }
        known.insert(word.into(), tokens.as_slice().into());
        Ok(tokens)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.model.token_to_id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.model.id_to_token(id)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.model.get_vocab()
    }

    fn get_vocab_size(&self) -> usize {
        self.model.get_vocab_size()
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        self.model.save(folder, prefix)
    }

    fn get_trainer(&self) -> TrainerWrapper {
        self.model.get_trainer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenize::test_support::repository;

    #[test]
    fn a_word_has_the_same_tokens_whether_it_is_known_or_not_and_few_are_kept() {
        let file = repository("tests/fixtures/models/qwen2/tokenizer.json");
        let oracle = tokenizers::Tokenizer::from_file(&file).unwrap();
        let pipeline = Pipeline::from_file(&file).unwrap();
        let words = pipeline.get_model();
        let ids = |tokens: Vec<Token>| tokens.into_iter().map(|token| (token.id, token.value, token.offsets));
        for round in 0..2 {
            for index in 0..MOST + 10 {
                let word = format!("w{index}绩");
                let expected = oracle.get_model().tokenize(&word).unwrap();
                assert!(ids(words.tokenize(&word).unwrap()).eq(ids(expected)), "{word}, round {round}");
            }
        }
        let long = "long".repeat(LONGEST);
        words.tokenize(&long).unwrap();
        let known = words.known.read().unwrap();
        assert!(!known.is_empty() && known.len() <= MOST && !known.contains_key(&*long), "{}", known.len());
    }
}
