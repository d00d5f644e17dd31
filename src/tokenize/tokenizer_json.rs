//! A tokenizer from a `tokenizer.json` or a GGUF file: what is damaged is refused, and what was read is tried.

use super::config::TokenizerConfig;
use super::detokenize::Detokenizer;
use super::gguf;
use super::probe;
use super::tokenizer::{Continuation, Inner, Tokenizer, guarded, refused};
use super::vetting::Outline;
use super::words::Pipeline;
use crate::error::{Code, Error, Result};
use crate::files;
use crate::model::ModelFiles;
use crate::own_stack::on_own_stack;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "tokenizer.json";

/// The largest in public use (Gemma 3) has 33 MB.
const LARGEST_TOKENIZER: u64 = 512 << 20;

/// Far above any vocabulary; tables are made by the highest id.
const HIGHEST_ID: u32 = 1 << 24;

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
        let parsed = guarded(|| Pipeline::from_bytes(text).map_err(refused));
        let mut tokenizer = parsed.map_err(|err| damaged(err.message().to_owned()))?;
        // A saved tokenizer may carry the limits of the program that saved it; they would cut rows without a word.
        tokenizer.with_truncation(None).map_err(|err| damaged(err.to_string()))?;
        tokenizer.with_padding(None);
        if outline.has_dropout() {
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
}

impl Inner {
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
    tokenizer: &mut Pipeline,
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
fn check_ids(tokenizer: &Pipeline, outline: &Outline) -> std::result::Result<(), String> {
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

fn damaged(path: &Path, why: String) -> Error {
    Error::new(Code::Tokenizer, format!("{} cannot be used: {why}", path.display())).with_path(path)
}
