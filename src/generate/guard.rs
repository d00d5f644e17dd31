//! Keeps banned phrases out of a text while it is drawn.
//!
//! A token that would complete one is ruled out where it was drawn, and another is drawn: so a text that would not have had a
//! phrase is drawn exactly as without the rule. Where something is to stand in the phrase's place, what was written of the
//! phrase is taken back, if nobody has it yet, and that is written instead.

use super::banned::Banned;
use super::document::Document;
use super::output::Output;
use super::watch::Watch;
use crate::error::Result;
use crate::tokenize::{StreamDecoder, Tokenizer};
use std::ops::Range;
use std::sync::Arc;

/// Of one text.
pub(super) struct Guard {
    banned: Arc<Banned>,
    tokenizer: Tokenizer,
    at_start: (Watch, Option<Document>),
    watch: Watch,
    /// The tokens that were last put in a phrase's place. They stand, and so do all before them: of each phrase something is
    /// put further on, and this comes to an end.
    placed: Range<usize>,
}

/// What is to be written in a phrase's place.
pub(super) struct Instead {
    /// Tokens of the text that stand.
    pub(super) standing: usize,
    /// Those that come then.
    pub(super) tokens: Vec<u32>,
    /// The document that begins with all of them, if it is one.
    pub(super) document: Option<Document>,
}

/// A text, and where each of its tokens ends: `None` inside a character.
type Decoded = (String, Vec<Option<usize>>);

impl Guard {
    /// Of a text that begins; `document` if it is one.
    pub(super) fn new(banned: &Arc<Banned>, tokenizer: &Tokenizer, document: Option<&Document>) -> Self {
        let watch = match document {
            None => Watch::text(banned.clone(), tokenizer),
            Some(document) => Watch::document(banned.clone(), document.is_json()),
        };
        Guard {
            banned: banned.clone(),
            tokenizer: tokenizer.clone(),
            at_start: (watch.clone(), document.cloned()),
            watch,
            placed: 0..0,
        }
    }

    pub(super) fn banned(&self) -> &Banned {
        &self.banned
    }

    /// The phrase that tokens would complete, or what a document has behind them in any case.
    pub(super) fn completed_by(&self, tokens: &[u32], document: Option<&Document>) -> Option<usize> {
        let mut watch = self.watch.clone();
        let of_tokens = watch.push_all(tokens, document);
        of_tokens.or_else(|| watch.push_bytes(&document?.forced_bytes()))
    }

    /// Makes tokens of the text known.
    pub(super) fn follow(&mut self, tokens: &[u32], document: Option<&Document>) {
        self.watch.push_all(tokens, document);
    }

    /// Knows no more than the beginning of the text.
    pub(super) fn begin_again(&mut self, tokens: &[u32], document: Option<&Document>) {
        self.watch = self.at_start.0.clone();
        self.follow(tokens, document);
    }

    /// These tokens are put in a phrase's place.
    pub(super) fn place(&mut self, placed: Range<usize>) {
        self.placed = placed;
    }

    /// Whether a token was put in a phrase's place.
    pub(super) fn has_placed(&self, token: usize) -> bool {
        self.placed.contains(&token)
    }

    /// What is written in the place of a phrase that `tokens` would complete; `None` if nothing is to stand there, or there is
    /// no way to write it.
    pub(super) fn instead(
        &self,
        phrase: usize,
        tokens: &[u32],
        output: &Output,
        budget: usize,
    ) -> Result<Option<Instead>> {
        let Some(instead) = self.banned.instead(phrase) else { return Ok(None) };
        let document = self.at_start.1.as_ref();
        let written = output.tokens().len();
        let ids: Vec<u32> = output.tokens().iter().map(|token| token.id).chain(tokens.iter().copied()).collect();
        let (text, ends) = self.decoded(&ids, document);
        let [sought, put] = [self.banned.phrase(phrase), instead].map(|text| match document {
            Some(document) if document.is_json() => quoted(text),
            _ => text.to_owned(),
        });
        // The one that ends in what is new: what was written had none.
        let same = |at: &usize| text.get(*at..at + sought.len()).is_some_and(|part| part.eq_ignore_ascii_case(&sought));
        let Some(start) = text.char_indices().map(|(at, _)| at).rev().find(same) else { return Ok(None) };
        let before_it = |end: &Option<usize>| end.is_some_and(|end| end <= start);
        let Some(standing) = ends[..=written].iter().rposition(before_it) else { return Ok(None) };
        if start < output.given() || standing < self.placed.end {
            return Ok(None);
        }
        let head = ends[standing].and_then(|end| text.get(end..start)).unwrap_or_default();
        let put_tokens = self.tokenizer.encode_as_text(&format!("{head}{put}"))?;
        let whole = [&ids[..standing], &put_tokens].concat();
        let is_as_meant = !put_tokens.is_empty()
            && whole.len() < budget
            && self.decoded(&whole, document).0 == format!("{}{put}", &text[..start])
            && self.at_start.0.clone().push_all(&whole, document).is_none();
        if !is_as_meant {
            return Ok(None);
        }
        let mut document = document.cloned();
        if let Some(document) = &mut document
            && !document.replay(&whole)?
        {
            return Ok(None);
        }
        Ok(Some(Instead { standing, tokens: put_tokens, document }))
    }

    /// The text of tokens, and where it stands after none, one, … of them.
    fn decoded(&self, tokens: &[u32], document: Option<&Document>) -> Decoded {
        let mut ends = vec![Some(0)];
        if let Some(document) = document {
            let mut bytes = Vec::new();
            for id in tokens {
                bytes.extend(document.bytes(*id));
                ends.push(std::str::from_utf8(&bytes).is_ok().then_some(bytes.len()));
            }
            return (String::from_utf8_lossy(&bytes).into_owned(), ends);
        }
        let (mut decoder, mut text) = (StreamDecoder::new(&self.tokenizer), String::new());
        for id in tokens {
            text.extend(decoder.push(*id));
            ends.push(decoder.is_whole().then_some(text.len()));
        }
        (text, ends)
    }
}

/// A text as it stands between the quotes of JSON.
pub(super) fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
