//! Keeps text that a person supplied from becoming control tokens.
//!
//! A field that contains `<|im_end|>` could otherwise end its turn and speak for the system. Such a text is wrapped in
//! two noncharacters before the template sees it, so that it can be found again in what the template made, and is then
//! encoded as the plain text it is. Ordinary text takes the ordinary way and gives the ids that `transformers` gives.

use super::Tokenizer;
use crate::error::{Code, Error, Result};

/// Noncharacters of Unicode: never text.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// Whether a template wrote the marks as escapes (`tojson(ensure_ascii=true)`, a list printed as such): then the control
/// token between them stands in its text unmarked.
pub(super) fn escapes_marks(text: &str) -> bool {
    text.contains("\\ufdd0") || text.contains("\\uFDD0")
}

/// The texts that a tokenizer would turn into control tokens.
#[derive(Debug, Clone)]
pub(super) struct ControlTokens {
    /// Longest first, so that a token wins over those it contains.
    tokens: Vec<(String, u32)>,
    first_bytes: [bool; 256],
    /// Some are looked for in normalized text, where they may be spelled differently.
    normalized: bool,
    /// What characters outside the vocabulary become: a special token too, but a harmless one.
    unknown: Vec<u32>,
}

impl ControlTokens {
    /// All special tokens, and the added tokens that `template` uses as markup.
    pub fn new(tokenizer: &Tokenizer, template: Option<&str>) -> Result<Self> {
        let is_markup = |text: &str| template.is_some_and(|source| source.contains(text));
        let control: Vec<_> = tokenizer
            .added_tokens()
            .filter(|(_, token)| !token.content.is_empty() && (token.special || is_markup(&token.content)))
            .collect();
        let normalized = control.iter().any(|(_, token)| token.normalized);
        let mut tokens: Vec<_> = control.into_iter().map(|(id, token)| (token.content.clone(), id)).collect();
        tokens.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let mut first_bytes = [false; 256];
        for (text, _) in &tokens {
            first_bytes[usize::from(text.as_bytes()[0])] = true;
        }
        // The last private-use character is in no vocabulary.
        let unknown = tokenizer.encode_as_text("\u{10FFFD}")?;
        Ok(ControlTokens { tokens, first_bytes, normalized, unknown })
    }

    /// The texts with their control tokens wrapped; `None` if no text has any.
    pub fn mark(&self, tokenizer: &Tokenizer, texts: &[&str]) -> Result<Option<Vec<String>>> {
        if texts.iter().any(|text| self.find(text).is_some()) {
            return Ok(Some(texts.iter().map(|text| self.wrap(text)).collect()));
        }
        if self.normalized {
            for text in texts {
                self.check_ids(&tokenizer.encode(text, false)?)?;
            }
        }
        Ok(None)
    }

    /// Encodes a text in which [`ControlTokens::mark`] wrapped something; `continues` says that it continues another.
    pub fn encode_marked(&self, tokenizer: &Tokenizer, marked: &str, continues: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut first = !continues;
        let mut plain = |piece: &str, ids: &mut Vec<u32>| -> Result<()> {
            if !piece.is_empty() {
                ids.extend(if first {
                    tokenizer.encode(piece, false)?
                } else {
                    tokenizer.encode_continuation(piece)?
                });
                first = false;
            }
            Ok(())
        };
        let mut rest = marked;
        while let Some(at) = rest.find([OPEN, CLOSE]) {
            plain(&rest[..at], &mut ids)?;
            rest = &rest[at..];
            let wrapped = rest.strip_prefix(OPEN).and_then(|inside| inside.split_once(CLOSE));
            match wrapped.filter(|(text, _)| self.tokens.iter().any(|(token, _)| token == text)) {
                Some((text, after)) => {
                    let spelled = tokenizer.encode_as_text(text)?;
                    self.check_ids(&spelled)?;
                    ids.extend(spelled);
                    rest = after;
                }
                // The template tore the pair apart; the text on either side still cannot join into a token.
                None => rest = &rest[OPEN.len_utf8()..],
            }
        }
        plain(rest, &mut ids)?;
        Ok(ids)
    }

    /// The first control token in a text: where, and its text.
    pub fn find<'a>(&'a self, text: &str) -> Option<(usize, &'a str)> {
        let starts = text.bytes().enumerate().filter(|&(_, byte)| self.first_bytes[usize::from(byte)]);
        starts.map(|(at, _)| at).find_map(|at| {
            let (token, _) =
                self.tokens.iter().find(|(token, _)| text.as_bytes()[at..].starts_with(token.as_bytes()))?;
            Some((at, token.as_str()))
        })
    }

    /// The text with its control tokens wrapped.
    pub fn wrap(&self, text: &str) -> String {
        let text = text.replace([OPEN, CLOSE], "");
        let mut out = String::with_capacity(text.len() + 16);
        let mut rest = text.as_str();
        while let Some((at, token)) = self.find(rest) {
            out.push_str(&rest[..at]);
            out.push(OPEN);
            out.push_str(token);
            out.push(CLOSE);
            rest = &rest[at + token.len()..];
        }
        out.push_str(rest);
        out
    }

    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match self.tokens.iter().find(|(_, id)| ids.contains(id) && !self.unknown.contains(id)) {
            None => Ok(()),
            Some((token, id)) => Err(Error::new(
                Code::Tokenizer,
                format!("the text contains what the tokenizer takes for its control token {token:?}; remove it"),
            )
            .with("token", token)
            .with("token_id", id)),
        }
    }
}
