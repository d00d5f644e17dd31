//! The tokenizer in a GGUF file's metadata, put into the words of a `tokenizer.json`, so that one reader makes both.
//!
//! Two kinds are known: byte-level BPE (`gpt2`: Qwen, Llama 3, DeepSeek, GLM-4, Phi-4) and SentencePiece's BPE (`llama`: Llama 2, Mistral, Phi-3, Gemma).

mod byte_level;
mod pre_tokenizers;
mod sentencepiece;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

use super::config::TokenizerConfig;
use crate::error::{Code, Error, Result};
use crate::model::Gguf;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// ggml's types of tokens.
const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;
const UNUSED: u32 = 5;
const BYTE: u32 = 6;
/// Longer than any real token; the cost of some steps grows with the square of this.
const LONGEST_TOKEN: usize = 1024;

/// The vocabulary of a file.
struct Vocabulary<'a> {
    gguf: &'a Gguf,
    tokens: Vec<Cow<'a, str>>,
    types: Vec<u32>,
}

/// Special tokens by role, whether BOS begins each text, and the chat template.
pub(super) fn config(gguf: &Gguf) -> Result<TokenizerConfig> {
    let mut config = TokenizerConfig {
        special_tokens: Vec::new(),
        add_bos_token: gguf.flag("tokenizer.ggml.add_bos_token")?,
        chat_template: gguf.text("tokenizer.chat_template")?.map(|source| Value::String(source.to_owned())),
        added_tokens: Vec::new(),
    };
    let tokens = gguf.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    for (ours, theirs) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
        if let Some(token) = gguf.token_id(theirs)?.and_then(|id| tokens.get(id as usize)) {
            config.special_tokens.push((format!("{ours}_token"), token.clone().into_owned()));
        }
    }
    Ok(config)
}

/// The `tokenizer.json` that says the same.
pub(super) fn tokenizer_json(gguf: &Gguf) -> Result<Value> {
    let vocabulary = Vocabulary::read(gguf)?;
    let kind = gguf.required("tokenizer.ggml.model", gguf.text("tokenizer.ggml.model"))?;
    let parts = match kind {
        "gpt2" => byte_level::parts(&vocabulary)?,
        "llama" => sentencepiece::parts(&vocabulary)?,
        other => {
            return Err(vocabulary.unsupported(format!(
                "the tokenizer model `{other}` is not supported; supported are gpt2 (byte-level BPE) and llama \
                 (SentencePiece), or a tokenizer.json beside the file"
            )));
        }
    };
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": vocabulary.post_processor(parts.begins_with_bos)?,
        "decoder": parts.decoder,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": parts.unknown,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": parts.byte_fallback,
            "byte_fallback": parts.byte_fallback,
            "ignore_merges": parts.ignore_merges,
            "vocab": vocabulary.ids(),
            "merges": parts.merges,
        },
    }))
}

/// What the two kinds of tokenizers differ in.
struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    merges: Vec<[String; 2]>,
    unknown: Option<String>,
    byte_fallback: bool,
    ignore_merges: bool,
    /// Whether BOS begins each text where the file does not say.
    begins_with_bos: bool,
}

impl<'a> Vocabulary<'a> {
    fn read(gguf: &'a Gguf) -> Result<Self> {
        let key = "tokenizer.ggml.tokens";
        let tokens = gguf.required(key, gguf.texts(key))?;
        if let Some((id, token)) = tokens.iter().enumerate().find(|(_, token)| token.len() > LONGEST_TOKEN) {
            let message = format!("token {id} has {} bytes; expected at most {LONGEST_TOKEN}", token.len());
            return Err(gguf.error(Code::Tokenizer, message));
        }
        let types = match gguf.numbers("tokenizer.ggml.token_type")? {
            None => vec![1; tokens.len()],
            Some(types) => types.into_iter().map(|kind| kind as u32).collect(),
        };
        let vocabulary = Vocabulary { gguf, tokens, types };
        vocabulary.same_length("tokenizer.ggml.token_type", vocabulary.types.len())?;
        Ok(vocabulary)
    }

    fn same_length(&self, key: &str, found: usize) -> Result<()> {
        if found == self.tokens.len() {
            return Ok(());
        }
        Err(self.damaged(format!("metadata `{key}` has {found} entries for {} tokens", self.tokens.len())))
    }

    /// Tokens with id and type; those that stand for nothing are left out.
    fn used(&self) -> impl Iterator<Item = (usize, &str, u32)> {
        let all = self.tokens.iter().zip(&self.types).enumerate();
        all.map(|(id, (token, kind))| (id, &**token, *kind)).filter(|(_, _, kind)| *kind != UNUSED)
    }

    fn ids(&self) -> Value {
        Value::Object(self.used().map(|(id, token, _)| (token.to_owned(), Value::from(id))).collect::<Map<_, _>>())
    }

    fn added_tokens(&self) -> Vec<Value> {
        let added = self.used().filter(|(_, _, kind)| [UNKNOWN, CONTROL, USER_DEFINED].contains(kind));
        added
            .map(|(id, token, kind)| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": kind != USER_DEFINED,
                })
            })
            .collect()
    }

    /// Puts BOS before a text, if it belongs there.
    fn post_processor(&self, by_default: bool) -> Result<Value> {
        let bos = self.gguf.token_id("bos")?.and_then(|id| Some((id, self.tokens.get(id as usize)?)));
        match bos.filter(|_| by_default) {
            None => Ok(Value::Null),
            Some((id, token)) => Ok(json!({
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [
                    {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": token, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}},
                ],
                "special_tokens": {&**token: {"id": token, "ids": [id], "tokens": [token]}},
            })),
        }
    }

    fn damaged(&self, message: String) -> Error {
        self.gguf.error(Code::Tokenizer, message)
    }

    fn unsupported(&self, message: String) -> Error {
        self.gguf.error(Code::Unsupported, message)
    }
}
