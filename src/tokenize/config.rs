//! `tokenizer_config.json`: the special tokens by role, and whether the tokenizer begins a text with BOS.

use crate::error::{Code, Error, Result};
use crate::files;
use serde_json::{Map, Value};
use std::path::Path;
use tokenizers::AddedToken;

/// Real ones reach 1.2 MB (Gemma lists thousands of added tokens).
const LARGEST_CONFIG: u64 = 64 << 20;

/// The part of `tokenizer_config.json` (and of the older `special_tokens_map.json`) that concerns us.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenizerConfig {
    /// `bos_token`, `eos_token`, `unk_token`, …: name → text, in the order of the file. Templates see these names.
    pub special_tokens: Vec<(String, String)>,
    /// `add_bos_token`, where the file says.
    pub add_bos_token: Option<bool>,
    /// `chat_template` as it stands in the file.
    pub chat_template: Option<Value>,
    /// `added_tokens_decoder`, by id.
    pub added_tokens: Vec<(u64, AddedToken)>,
}

impl TokenizerConfig {
    /// Reads what is there; a folder without either file gives an empty configuration.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut config = TokenizerConfig::default();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let Some(object) = read_object(&dir.join(name))? else { continue };
            config.merge(object).map_err(|why| damaged(&dir.join(name), &why))?;
        }
        Ok(config)
    }

    /// What this leaves open, `other` decides.
    #[must_use]
    pub fn or(mut self, other: TokenizerConfig) -> Self {
        for (name, text) in other.special_tokens {
            if self.special_token(&name).is_none() {
                self.special_tokens.push((name, text));
            }
        }
        self.add_bos_token = self.add_bos_token.or(other.add_bos_token);
        self.chat_template = self.chat_template.or(other.chat_template);
        if self.added_tokens.is_empty() {
            self.added_tokens = other.added_tokens;
        }
        self
    }

    /// The text of e.g. `bos_token`.
    pub fn special_token(&self, name: &str) -> Option<&str> {
        self.special_tokens.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Takes over what is not known yet: the first file wins.
    fn merge(&mut self, mut object: Map<String, Value>) -> std::result::Result<(), String> {
        for (name, value) in &object {
            if name.ends_with("_token")
                && self.special_token(name).is_none()
                && let Some(text) = token_text(value)
            {
                self.special_tokens.push((name.clone(), text.to_owned()));
            }
        }
        self.add_bos_token = self.add_bos_token.or(object.get("add_bos_token").and_then(Value::as_bool));
        if let Some(added) = object.get("added_tokens_decoder").filter(|added| !added.is_null()) {
            self.added_tokens = added_tokens(added)?;
        }
        self.chat_template = self.chat_template.take().or(object.remove("chat_template")).filter(|v| !v.is_null());
        Ok(())
    }
}

/// `added_tokens_decoder`: id → token. Tokens without a text are none.
fn added_tokens(value: &Value) -> std::result::Result<Vec<(u64, AddedToken)>, String> {
    let by_id = value.as_object().ok_or("`added_tokens_decoder` is no object; expected tokens by id")?;
    let mut tokens = Vec::with_capacity(by_id.len());
    for (id, token) in by_id {
        let number = id.parse();
        let number =
            number.map_err(|_| format!("`added_tokens_decoder` has the key {id:?}; expected the id of a token"))?;
        if token_text(token).is_none() {
            return Err(format!("`added_tokens_decoder` has no text for {id}; expected an object with a `content`"));
        }
        tokens.extend(added_token(token).map(|token| (number, token)));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens)
}

/// A token is written as its text, or as an `AddedToken` object with a `content`.
fn token_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(token) => token.get("content").and_then(Value::as_str),
        _ => None,
    }
}

fn added_token(value: &Value) -> Option<AddedToken> {
    let content = token_text(value).filter(|content| !content.is_empty())?;
    let is = |name: &str| value.get(name).and_then(Value::as_bool);
    let special = is("special").unwrap_or(false);
    let token = AddedToken::from(content, special);
    Some(
        token
            .single_word(is("single_word").unwrap_or(false))
            .lstrip(is("lstrip").unwrap_or(false))
            .rstrip(is("rstrip").unwrap_or(false))
            .normalized(is("normalized").unwrap_or(!special)),
    )
}

/// Reads a JSON object; `None` when the file is not there.
pub(super) fn read_object(path: &Path) -> Result<Option<Map<String, Value>>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_text(path, LARGEST_CONFIG)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(damaged(path, "expected a JSON object")),
        Err(err) => Err(damaged(path, &err.to_string())),
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(Code::Tokenizer, format!("{} is damaged: {why}", path.display())).with_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_strings_or_objects_and_the_first_file_wins() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("tokenizer_config.json"),
            r#"{"bos_token":null,"eos_token":{"content":"</s>","special":true},"add_bos_token":false}"#,
        )
        .unwrap();
        std::fs::write(dir.path().join("special_tokens_map.json"), r#"{"eos_token":"<eos>","bos_token":"<s>"}"#)
            .unwrap();
        let config = TokenizerConfig::load(dir.path()).unwrap();
        assert_eq!(config.special_token("eos_token"), Some("</s>"));
        assert_eq!(config.special_token("bos_token"), Some("<s>"));
        assert_eq!(config.add_bos_token, Some(false));
    }

    #[test]
    fn a_damaged_file_is_named() {
        for (text, part) in [
            ("{", "EOF"),
            ("[]", "expected a JSON object"),
            ("x", "expected value"),
            (r#"{"added_tokens_decoder":[]}"#, "expected tokens by id"),
            (r#"{"added_tokens_decoder":{"x":{"content":"<new>"}}}"#, "expected the id of a token"),
            (r#"{"added_tokens_decoder":{"-1":{"content":"<new>"}}}"#, "expected the id of a token"),
            (r#"{"added_tokens_decoder":{"7":["<new>"]}}"#, "no text for 7"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("tokenizer_config.json"), text).unwrap();
            let err = TokenizerConfig::load(dir.path()).unwrap_err();
            assert_eq!(err.code(), Code::Tokenizer);
            assert!(err.message().contains("tokenizer_config.json is damaged"), "{err}");
            assert!(err.message().contains(part), "{err}");
        }
    }
}
