//! A `tokenizer.json`: text to ids, ids to text and to bytes.

use super::config::TokenizerConfig;
use super::detokenize::Detokenizer;
use super::gguf;
use super::stream::StreamDecoder;
use crate::error::{Code, Error, IoContext, Result};
use crate::model::ModelFiles;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokenizers::{AddedToken, Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer};

/// The largest in public use (Gemma 3) has 33 MB.
const LARGEST_TOKENIZER: u64 = 512 << 20;

const FILE: &str = "tokenizer.json";

/// A tokenizer. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokenizer(Arc<Inner>);

struct Inner {
    tokenizer: tokenizers::Tokenizer,
    detokenizer: Detokenizer,
    config: TokenizerConfig,
    /// Added tokens (special ones among them) by id.
    added: HashMap<u32, AddedToken>,
    vocab_size: usize,
    sha256: String,
    continuation: Continuation,
}

/// How a text is encoded that continues another.
#[derive(Debug)]
enum Continuation {
    /// As any text.
    Plain,
    /// The tokenizer puts a space before every text (SentencePiece's "dummy prefix"), so the text is encoded after
    /// this one, whose ids are then taken off.
    After { text: &'static str, ids: Vec<u32> },
}

impl Tokenizer {
    /// The tokenizer of a model: the `tokenizer.json` in its directory, or else what its GGUF file says.
    pub fn open(files: &ModelFiles) -> Result<Self> {
        let ModelFiles::Gguf(gguf) = files else { return Self::load(files.directory()) };
        let inside = gguf::config(gguf)?;
        if files.directory().join(FILE).is_file() {
            let config = TokenizerConfig::load(files.directory())?.or(inside);
            return Self::read(files.directory(), config);
        }
        let bytes = gguf::tokenizer_json(gguf)?.to_string().into_bytes();
        Self::new(&bytes, inside, gguf.path())
    }

    /// Loads `tokenizer.json` (and what `tokenizer_config.json` adds) from a model's directory.
    pub fn load(dir: &Path) -> Result<Self> {
        Self::read(dir, TokenizerConfig::load(dir)?)
    }

    fn read(dir: &Path, config: TokenizerConfig) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Err(Error::new(
                Code::Io,
                format!(
                    "{} is missing; a model directory needs it (transformers writes it with \
                     `AutoTokenizer.from_pretrained(dir).save_pretrained(dir)`)",
                    path.display()
                ),
            )
            .with("path", path.display().to_string()));
        }
        let size = std::fs::metadata(&path).at("read", &path)?.len();
        if size > LARGEST_TOKENIZER {
            return Err(damaged(&path, format!("it has {size} bytes; expected at most {LARGEST_TOKENIZER}")));
        }
        Self::new(&std::fs::read(&path).at("read", &path)?, config, &path)
    }

    /// Makes a tokenizer of the bytes of a `tokenizer.json`; `path` is where they come from.
    fn new(bytes: &[u8], config: TokenizerConfig, path: &Path) -> Result<Self> {
        let damaged = |why: String| damaged(path, why);
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(|err| damaged(err.to_string()))?;
        // A saved tokenizer may carry the limits of the program that saved it; they would cut rows without a word.
        tokenizer.with_truncation(None).map_err(|err| damaged(err.to_string()))?;
        tokenizer.with_padding(None);
        let decoder = serde_json::to_value(tokenizer.get_decoder()).map_err(|err| damaged(err.to_string()))?;
        let detokenizer = Detokenizer::new(&decoder).map_err(|err| err.with("path", path.display().to_string()))?;
        let added = tokenizer.get_added_tokens_decoder().into_iter().collect();
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let mut inner = Inner {
            tokenizer,
            detokenizer,
            config,
            added,
            vocab_size,
            sha256: format!("{:x}", Sha256::digest(bytes)),
            continuation: Continuation::Plain,
        };
        inner.continuation = inner.find_continuation()?;
        Ok(Tokenizer(Arc::new(inner)))
    }

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

    /// The text of `ids`. Invalid UTF-8 gives U+FFFD; ids outside the vocabulary give nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut stream = StreamDecoder::with_special(self, skip_special);
        let mut text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
        text.extend(stream.finish());
        text
    }

    /// The bytes that a token stands for inside a text; a special token's are its name.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.piece(id).map(|token| self.0.detokenizer.bytes(&token))
    }

    /// Whether a token is a control token (BOS, end of turn, …) and no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.0.added.get(&id).is_some_and(|token| token.special)
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
        let added = self.encode("", true)?.first().copied();
        let named = self.named_token("bos_token").or(model_bos);
        Ok(match self.0.config.add_bos_token {
            Some(false) => None,
            Some(true) => named.or(added),
            None => added.filter(|&id| named.is_none_or(|bos| bos == id)),
        })
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
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, add_special_tokens).map_err(refused)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The pipeline of `tokenizers` without its first step, the search for added tokens.
    fn encode_without_added_tokens(&self, text: &str) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
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

    /// Looks whether "b" alone and "b" after something differ, and if so for a text that can go before any other: one
    /// that no merge joins to what follows. U+0001 is a byte token in SentencePiece's vocabularies.
    fn find_continuation(&self) -> Result<Continuation> {
        for text in ["\u{1}", "\n"] {
            let ids = self.encode(text, false)?;
            let spelled: Vec<u8> = ids
                .iter()
                .filter_map(|&id| self.tokenizer.id_to_token(id))
                .flat_map(|token| self.detokenizer.bytes(&token))
                .collect();
            if !spelled.ends_with(text.as_bytes()) {
                continue;
            }
            let whole = self.encode(&format!("{text}b"), false)?;
            if let Some(rest) = whole.strip_prefix(ids.as_slice()) {
                let plain = rest == self.encode("b", false)?;
                return Ok(if plain { Continuation::Plain } else { Continuation::After { text, ids } });
            }
        }
        Ok(Continuation::Plain)
    }
}

fn damaged(path: &Path, why: String) -> Error {
    Error::new(Code::Tokenizer, format!("{} cannot be used: {why}", path.display()))
        .with("path", path.display().to_string())
}

fn refused(err: tokenizers::Error) -> Error {
    Error::new(Code::Tokenizer, format!("the tokenizer refused the text: {err}"))
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.0.vocab_size).field("sha256", &self.0.sha256).finish()
    }
}
