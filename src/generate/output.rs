//! The text of a generation as it grows: whole characters, stop strings taken out, and which token wrote which bytes.

use super::generation::{GeneratedToken, TopToken};
use super::stop::{Passed, StopStrings};
use crate::tokenize::{StreamDecoder, Tokenizer};

/// Tokens in, certain text out.
pub(crate) struct Output {
    decoder: Decoder,
    stops: StopStrings,
    text: String,
    tokens: Vec<GeneratedToken>,
    /// Bytes decoded so far: `text` and what a possible stop string holds back.
    decoded: usize,
    /// Tokens before this one have their characters.
    whole: usize,
    count: usize,
    stopped: bool,
    /// Bytes of the text that somebody may have by now.
    given: usize,
}

#[derive(Clone)]
enum Decoder {
    /// As the tokenizer decodes a text.
    Text(StreamDecoder),
    /// A document is exactly the bytes that its grammar saw.
    Document(Vec<u8>),
}

impl Output {
    /// Free text that ends before any of `stops`.
    pub(crate) fn text(tokenizer: &Tokenizer, stops: &[String]) -> Self {
        Output::new(Decoder::Text(StreamDecoder::new(tokenizer)), stops)
    }

    /// A document whose bytes come from a grammar.
    pub(crate) fn document() -> Self {
        Output::new(Decoder::Document(Vec::new()), &[])
    }

    fn new(decoder: Decoder, stops: &[String]) -> Self {
        Output {
            decoder,
            stops: StopStrings::new(stops),
            text: String::new(),
            tokens: Vec::new(),
            decoded: 0,
            whole: 0,
            count: 0,
            stopped: false,
            given: 0,
        }
    }

    /// Holds back what may be the beginning of one of these texts.
    pub(super) fn hold_back(&mut self, uncertain: Vec<String>) {
        self.stops.hold_back(uncertain);
    }

    pub(super) fn tokens(&self) -> &[GeneratedToken] {
        &self.tokens
    }

    /// Bytes of the text that somebody may have.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Keeps the first `keep` tokens alone. What comes then must begin with what was given.
    pub(super) fn take_back(&mut self, keep: usize, bytes: impl Fn(u32) -> Vec<u8>) {
        let standing = self.tokens.drain(..).take(keep).collect::<Vec<_>>();
        match &mut self.decoder {
            Decoder::Text(decoder) => *decoder = decoder.fresh(),
            Decoder::Document(unfinished) => unfinished.clear(),
        }
        self.stops.finish();
        self.text.clear();
        (self.decoded, self.whole, self.count) = (0, 0, 0);
        for token in standing {
            self.push(token.id, token.logprob, &bytes(token.id));
            self.set_top(token.top);
        }
    }

    /// The whole text, if a stop string ended it with the token `id`.
    pub(super) fn stopped_by(&self, id: u32) -> Option<String> {
        let Decoder::Text(decoder) = &self.decoder else { return None };
        if self.stops.is_empty() {
            return None;
        }
        match self.stops.clone().push(&decoder.clone().push(id)?) {
            Passed::Stopped(rest) => Some(self.text.clone() + &rest),
            Passed::Text(_) => None,
        }
    }

    /// Adds a token (`bytes` matter for documents only); the text that became certain.
    pub(crate) fn push(&mut self, id: u32, logprob: f32, bytes: &[u8]) -> String {
        self.count += 1;
        self.tokens.push(GeneratedToken { id, logprob, start: self.decoded, end: self.decoded, top: Vec::new() });
        let piece = match &mut self.decoder {
            Decoder::Text(decoder) => decoder.push(id),
            Decoder::Document(unfinished) => {
                unfinished.extend_from_slice(bytes);
                whole_characters(unfinished)
            }
        };
        piece.map(|piece| self.admit(&piece)).unwrap_or_default()
    }

    /// Says what might have stood in the place of the last token.
    pub(crate) fn set_top(&mut self, top: Vec<TopToken>) {
        if let Some(last) = self.tokens.last_mut() {
            last.top = top;
        }
    }

    /// Nothing follows; the text that this makes certain.
    pub(crate) fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        let rest = match &mut self.decoder {
            Decoder::Text(decoder) => decoder.finish(),
            Decoder::Document(_) => None,
        };
        let mut certain = rest.map(|rest| self.admit(&rest)).unwrap_or_default();
        if !self.stopped {
            let held = self.stops.finish();
            certain.push_str(&self.give(&held));
        }
        certain
    }

    /// Whether a stop string was met.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Tokens pushed so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The text so far and the tokens that wrote it.
    pub(crate) fn text_and_tokens(&self) -> (String, Vec<GeneratedToken>) {
        let len = self.text.len();
        let of_text = self.tokens.iter().filter(|token| token.start < len || !self.stopped);
        let clipped = of_text.map(|token| GeneratedToken { end: token.end.min(len), ..token.clone() });
        (self.text.clone(), clipped.collect())
    }

    fn admit(&mut self, piece: &str) -> String {
        self.decoded += piece.len();
        for token in &mut self.tokens[self.whole..] {
            token.end = self.decoded;
        }
        self.whole = self.tokens.len();
        let certain = match self.stops.push(piece) {
            Passed::Text(text) => text,
            Passed::Stopped(text) => {
                self.stopped = true;
                text
            }
        };
        self.give(&certain)
    }

    /// Adds text that is certain; the part of it that nobody has.
    fn give(&mut self, certain: &str) -> String {
        let from = self.text.len().max(self.given);
        self.text.push_str(certain);
        self.given = self.given.max(self.text.len());
        self.text.get(from..).unwrap_or_default().to_owned()
    }
}

/// Takes the whole characters from the front of `bytes`. A grammar lets nothing but UTF-8 through.
fn whole_characters(bytes: &mut Vec<u8>) -> Option<String> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(err) => err.valid_up_to(),
    };
    let rest = bytes.split_off(valid);
    let whole = std::mem::replace(bytes, rest);
    String::from_utf8(whole).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_of_several_tokens_belongs_to_each() {
        let mut output = Output::document();
        assert_eq!(output.push(1, -0.5, b"{\""), "{\"");
        let bytes = "结".as_bytes();
        assert_eq!(output.push(2, -1.0, &bytes[..1]), "");
        assert_eq!(output.push(3, -2.0, &bytes[1..]), "结");
        assert_eq!(output.push(4, -3.0, b"\"}"), "\"}");
        assert_eq!(output.finish(), "");
        let (text, tokens) = output.text_and_tokens();
        assert_eq!(text, "{\"结\"}");
        let spans: Vec<_> = tokens.iter().map(|t| (t.id, t.start, t.end)).collect();
        assert_eq!(spans, [(1, 0, 2), (2, 2, 5), (3, 2, 5), (4, 5, 7)]);
    }
}
