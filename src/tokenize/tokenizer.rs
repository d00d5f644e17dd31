//! A tokenizer: text to ids, ids to their bytes.

use super::config::TokenizerConfig;
use super::detokenize::Detokenizer;
use super::words::Pipeline;
use crate::error::{Code, Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokenizers::{AddedToken, Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer};

/// Rows that a model may have for tokens that its tokenizer lacks, without a note: vocabularies are padded.
const PADDING_ROWS: usize = 1024;

/// A tokenizer. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokenizer(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) tokenizer: Pipeline,
    pub(super) detokenizer: Detokenizer,
    pub(super) config: TokenizerConfig,
    /// Added tokens (special ones among them) by id.
    pub(super) added: HashMap<u32, AddedToken>,
    pub(super) vocab_size: usize,
    pub(super) sha256: String,
    pub(super) continuation: Continuation,
    pub(super) notes: Vec<String>,
}

/// How a text is encoded that continues another.
#[derive(Debug)]
pub(super) enum Continuation {
    /// As any text.
    Plain,
    /// The tokenizer puts a space before every text (SentencePiece's "dummy prefix"), so the text is encoded after
    /// this one, whose ids are then taken off.
    After { text: &'static str, ids: Vec<u32> },
}

impl Tokenizer {
    /// The ids of `text`. Special tokens written in the text are recognised, as in `transformers`; with
    /// `add_special_tokens` the tokenizer adds its own (BOS) too.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        self.0.encode(text, add_special_tokens)
    }

    /// The ids of `text` where it continues another text: no leading space of SentencePiece's is put before it.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>> {
        self.0.continue_with(text, |text| self.encode(text, false))
    }

    /// As [`Tokenizer::encode_continuation`], but nothing in the text is a special or added token.
    pub fn encode_as_text(&self, text: &str) -> Result<Vec<u32>> {
        self.0.continue_with(text, |text| self.0.encode_without_added_tokens(text))
    }

    /// The bytes that a token stands for inside a text; a special token's are its name.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.piece(id).map(|token| self.0.detokenizer.bytes(&token))
    }

    /// Whether a token is a control token (BOS, end of turn, …) and no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.0.added.get(&id).is_some_and(|token| token.special)
    }

    /// Whether a token was added to the vocabulary of the model, as templates' markup is.
    pub(super) fn is_added(&self, id: u32) -> bool {
        self.0.added.contains_key(&id)
    }

    /// The id of a token by its name.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.0.tokenizer.token_to_id(token)
    }

    /// The name of a token.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        match self.0.added.get(&id) {
            Some(token) => Some(token.content.clone()),
            None => self.piece(id),
        }
    }

    /// A token as the decoder takes it: an added token that is looked for in normalized text is normalized.
    pub(super) fn piece(&self, id: u32) -> Option<String> {
        self.0.tokenizer.id_to_token(id)
    }

    /// Bytes of the longest token's text; goes through all of them.
    pub fn longest_token(&self) -> usize {
        let ids = 0..u32::try_from(self.0.vocab_size).unwrap_or(u32::MAX);
        ids.filter_map(|id| self.token_bytes(id)).map(|bytes| bytes.len()).max().unwrap_or(0)
    }

    /// One more than the highest id. A model's output may be wider.
    pub fn vocab_size(&self) -> usize {
        self.0.vocab_size
    }

    /// SHA-256 of `tokenizer.json` (made from a GGUF file's metadata, if there is none), in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The id of a token that `tokenizer_config.json` names, e.g. `eos_token`.
    pub fn named_token(&self, name: &str) -> Option<u32> {
        self.0.config.special_token(name).and_then(|token| self.token_to_id(token))
    }

    /// The BOS that this tokenizer begins each text with; `None` if it begins with none.
    pub fn leading_bos(&self, model_bos: Option<u32>) -> Result<Option<u32>> {
        let (whole, plain) = (self.encode("a", true)?, self.encode("a", false)?);
        // What stands before the text; a tokenizer may add an end only.
        let begins = !plain.is_empty() && !whole.starts_with(&plain);
        let added = whole.first().copied().filter(|&id| begins && self.piece(id).is_some());
        let named = self.named_token("bos_token").or(model_bos);
        Ok(match self.0.config.add_bos_token {
            Some(false) => None,
            Some(true) => named.or(added),
            None => added.filter(|&id| named.is_none_or(|bos| bos == id)),
        })
    }

    /// What was done to the files that a host should know of.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Holds the tokenizer against a model with so many rows of embeddings; what a host should know of comes back.
    ///
    /// # Errors
    /// `Tokenizer` if a token of its vocabulary has no row. Added tokens may lack one: most are never used.
    pub fn check_rows(&self, rows: usize) -> Result<Vec<String>> {
        let mut without: Vec<(u32, String)> = (rows..self.vocab_size())
            .filter_map(|id| u32::try_from(id).ok())
            .filter_map(|id| self.id_to_token(id).map(|token| (id, token)))
            .collect();
        let belongs = |id: &u32| !self.0.added.contains_key(id);
        if let Some((id, token)) = without.iter().find(|(id, _)| belongs(id)) {
            let message = format!(
                "the tokenizer has {} tokens and the model rows for {rows}: token {id} ({token:?}) has none; the two do not \
                 belong together",
                self.vocab_size()
            );
            return Err(Error::new(Code::Tokenizer, message).with("token_id", *id).with("rows", rows));
        }
        let mut notes = Vec::new();
        if !without.is_empty() {
            let count = without.len();
            without.truncate(5);
            let shown: Vec<_> = without.iter().map(|(id, token)| format!("{token:?} ({id})")).collect();
            notes.push(format!(
                "{count} added tokens have no row in the model and cannot be used: {}",
                shown.join(", ")
            ));
        }
        if self.vocab_size().saturating_add(PADDING_ROWS) < rows {
            let size = self.vocab_size();
            notes.push(format!("the model has rows for {rows} tokens and the tokenizer only {size}"));
        }
        Ok(notes)
    }

    /// The special tokens by role, as templates see them.
    pub(super) fn special_tokens(&self) -> &[(String, String)] {
        &self.0.config.special_tokens
    }

    /// All added tokens with their ids.
    pub(super) fn added_tokens(&self) -> impl Iterator<Item = (u32, &AddedToken)> {
        self.0.added.iter().map(|(&id, token)| (id, token))
    }

    pub(super) fn detokenizer(&self) -> &Detokenizer {
        &self.0.detokenizer
    }
}

impl Inner {
    pub(super) fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        guarded(|| {
            let encoding = self.tokenizer.encode_fast(text, add_special_tokens).map_err(refused)?;
            Ok(encoding.get_ids().to_vec())
        })
    }

    /// The pipeline of `tokenizers` without its first step, the search for added tokens.
    fn encode_without_added_tokens(&self, text: &str) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        guarded(|| {
            let mut normalized = NormalizedString::from(text);
            if let Some(normalizer) = self.tokenizer.get_normalizer() {
                normalizer.normalize(&mut normalized).map_err(refused)?;
            }
            let mut pieces = PreTokenizedString::from(normalized);
            if let Some(pre_tokenizer) = self.tokenizer.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut pieces).map_err(refused)?;
            }
            let model = self.tokenizer.get_model();
            pieces.tokenize(|piece| model.tokenize(piece.get())).map_err(refused)?;
            Ok(pieces.into_encoding(None, 0, OffsetType::None).map_err(refused)?.get_ids().to_vec())
        })
    }

    fn continue_with(&self, text: &str, encode: impl Fn(&str) -> Result<Vec<u32>>) -> Result<Vec<u32>> {
        if let Continuation::After { text: before, ids } = &self.continuation {
            let whole = encode(&format!("{before}{text}"))?;
            if let Some(rest) = whole.strip_prefix(ids.as_slice()) {
                return Ok(rest.to_vec());
            }
        }
        encode(text)
    }
}

/// Runs what may panic on a damaged file.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        Err(refused(text.unwrap_or("it failed").into()))
    })
}

pub(super) fn refused(err: tokenizers::Error) -> Error {
    Error::new(Code::Tokenizer, format!("the tokenizer refused the text: {err}"))
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.0.vocab_size).field("sha256", &self.0.sha256).finish()
    }
}
