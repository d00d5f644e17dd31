//! A `tokenizer.json`: text to ids, ids to text and to bytes.

use super::config::TokenizerConfig;
use super::detokenize::Detokenizer;
use super::gguf;
use super::probe;
use super::stream::StreamDecoder;
use super::vetting::Outline;
use crate::error::{Code, Error, Result};
use crate::files;
use crate::model::ModelFiles;
use crate::own_stack::on_own_stack;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tokenizers::{
    AddedToken, Model, ModelWrapper, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer,
};

/// The largest in public use (Gemma 3) has 33 MB.
const LARGEST_TOKENIZER: u64 = 512 << 20;

/// Far above any vocabulary; tables are made by the highest id.
const HIGHEST_ID: u32 = 1 << 24;

/// Rows that a model may have for tokens that its tokenizer lacks, without a note: vocabularies are padded.
const PADDING_ROWS: usize = 1024;

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
    notes: Vec<String>,
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
        Self::new(&gguf::tokenizer_json(gguf)?.to_string(), inside, gguf.path())
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
            .with_path(&path));
        }
        Self::new(&files::read_text(&path, LARGEST_TOKENIZER)?, config, &path)
    }

    /// Makes a tokenizer of the text of a `tokenizer.json`; `path` is where it comes from.
    fn new(text: &str, config: TokenizerConfig, path: &Path) -> Result<Self> {
        on_own_stack(|| {
            let tokenizer = Self::build(text, config, path)?;
            probe::tokenizer(&tokenizer).map_err(|why| damaged(path, why))?;
            Ok(tokenizer)
        })?
    }

    /// The tokenizer of a `tokenizer.json` that lies nowhere.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn from_json(text: &str) -> Result<Self> {
        Self::new(text, TokenizerConfig::default(), Path::new(FILE))
    }

    /// As [`Tokenizer::new`], without knowing yet that it works.
    fn build(text: &str, config: TokenizerConfig, path: &Path) -> Result<Self> {
        let damaged = |why: String| damaged(path, why);
        let outline = Outline::read(text).map_err(damaged)?;
        let mut notes = Vec::new();
        let parsed = guarded(|| tokenizers::Tokenizer::from_bytes(text).map_err(refused));
        let mut tokenizer = parsed.map_err(|err| damaged(err.message().to_owned()))?;
        // A saved tokenizer may carry the limits of the program that saved it; they would cut rows without a word.
        tokenizer.with_truncation(None).map_err(|err| damaged(err.to_string()))?;
        tokenizer.with_padding(None);
        if outline.has_dropout()
            && let ModelWrapper::BPE(model) = tokenizer.get_model()
        {
            let mut model = model.clone();
            model.dropout = None;
            tokenizer.with_model(model);
            notes.push("tokenizer.json leaves out merges by chance (`dropout`); that was switched off".to_owned());
        }
        take_over(&mut tokenizer, &config, &mut notes).map_err(damaged)?;
        check_ids(&tokenizer, &outline).map_err(damaged)?;
        let decoder = serde_json::to_value(tokenizer.get_decoder()).map_err(|err| damaged(err.to_string()))?;
        let detokenizer = Detokenizer::new(&decoder).map_err(|err| err.with_path(path))?;
        let added = tokenizer.get_added_tokens_decoder().into_iter().collect();
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let mut inner = Inner {
            tokenizer,
            detokenizer,
            config,
            added,
            vocab_size,
            sha256: format!("{:x}", Sha256::digest(text)),
            continuation: Continuation::Plain,
            notes,
        };
        inner.continuation = inner.find_continuation().map_err(|err| damaged(err.message().to_owned()))?;
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
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
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

/// Takes over the added tokens that `tokenizer_config.json` has and `tokenizer.json` lacks.
fn take_over(
    tokenizer: &mut tokenizers::Tokenizer,
    config: &TokenizerConfig,
    notes: &mut Vec<String>,
) -> std::result::Result<(), String> {
    let mut taken = Vec::new();
    for (id, token) in &config.added_tokens {
        match tokenizer.token_to_id(&token.content) {
            Some(known) if u64::from(known) == *id => {}
            Some(known) => {
                return Err(format!(
                    "the token {:?} has the id {known} there and {id} in tokenizer_config.json",
                    token.content
                ));
            }
            None => {
                tokenizer.add_tokens([token.clone()]).map_err(|err| err.to_string())?;
                let given = tokenizer.token_to_id(&token.content);
                if given.map(u64::from) != Some(*id) {
                    return Err(format!(
                        "tokenizer_config.json adds the token {:?} with the id {id}, which does not follow the ids there",
                        token.content
                    ));
                }
                taken.push(format!("{:?}", token.content));
            }
        }
    }
    if !taken.is_empty() {
        let count = taken.len();
        taken.truncate(5);
        notes.push(format!(
            "{count} added tokens of tokenizer_config.json that tokenizer.json lacks: {}",
            taken.join(", ")
        ));
    }
    Ok(())
}

/// Each token has one id, and one that a model can have a row for.
fn check_ids(tokenizer: &tokenizers::Tokenizer, outline: &Outline) -> std::result::Result<(), String> {
    let mut by_id: HashMap<u32, String> = HashMap::new();
    for (token, id) in tokenizer.get_vocab(false) {
        if id >= HIGHEST_ID {
            return Err(format!("the token {token:?} has the id {id}; expected less than {HIGHEST_ID}"));
        }
        if let Some(other) = by_id.insert(id, token.clone()) {
            let (first, second) = if other < token { (other, token) } else { (token, other) };
            return Err(format!("the tokens {first:?} and {second:?} have the same id, {id}"));
        }
    }
    let mut contents: HashMap<u64, &str> = HashMap::new();
    for added in outline.added_tokens.iter().filter(|added| !added.content.is_empty()) {
        if added.id >= u64::from(HIGHEST_ID) {
            return Err(format!("the added token {:?} has the id {}", added.content, added.id));
        }
        let known = tokenizer.token_to_id(&added.content).map(u64::from);
        if known != Some(added.id) {
            let known = known.map_or("none".to_owned(), |id| id.to_string());
            return Err(format!("the added token {:?} has the id {} and would get {known}", added.content, added.id));
        }
        if let Some(other) = contents.insert(added.id, &added.content)
            && other != added.content
        {
            return Err(format!("the added tokens {other:?} and {:?} have the same id, {}", added.content, added.id));
        }
    }
    Ok(())
}

/// Runs what may panic on a damaged file.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        Err(refused(text.unwrap_or("it failed").into()))
    })
}

fn damaged(path: &Path, why: String) -> Error {
    Error::new(Code::Tokenizer, format!("{} cannot be used: {why}", path.display())).with_path(path)
}

fn refused(err: tokenizers::Error) -> Error {
    Error::new(Code::Tokenizer, format!("the tokenizer refused the text: {err}"))
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.0.vocab_size).field("sha256", &self.0.sha256).finish()
    }
}
