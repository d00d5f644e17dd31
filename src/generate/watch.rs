//! Follows a text as it is written, token by token, and knows which token would complete a banned phrase.
//!
//! What counts is the text that a reader sees: in a JSON document what the strings say, with their escapes undone, one string
//! at a time. Keys, and what stands between strings, are the schema's and no prose.

use super::banned::Banned;
use super::document::Document;
use crate::tokenize::{StreamDecoder, Tokenizer};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Watch {
    banned: Arc<Banned>,
    reader: Reader,
    /// The end of what was written: as much as the beginning of a phrase can take.
    tail: Vec<u8>,
}

#[derive(Clone)]
enum Reader {
    /// As the tokenizer decodes a text.
    Text(StreamDecoder),
    /// The bytes of a document that is no JSON.
    Bytes,
    Json(Strings),
}

impl Watch {
    /// Of free text.
    pub(super) fn text(banned: Arc<Banned>, tokenizer: &Tokenizer) -> Self {
        Watch { banned, reader: Reader::Text(StreamDecoder::new(tokenizer)), tail: Vec::new() }
    }

    /// Of a document.
    pub(super) fn document(banned: Arc<Banned>, is_json: bool) -> Self {
        let reader = if is_json { Reader::Json(Strings::default()) } else { Reader::Bytes };
        Watch { banned, reader, tail: Vec::new() }
    }

    /// Adds a token (`bytes` matter for documents only); the phrase that it completes, if it does.
    pub(super) fn push(&mut self, id: u32, bytes: &[u8]) -> Option<usize> {
        match &mut self.reader {
            Reader::Text(decoder) => {
                let piece = decoder.push(id)?;
                self.admit(piece.as_bytes())
            }
            Reader::Bytes | Reader::Json(_) => self.push_bytes(bytes),
        }
    }

    /// Adds more of a document; the phrase that it completes, if it does.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.reader {
            // All is to be known, also what is behind a phrase.
            Reader::Json(_) => bytes.iter().fold(None, |found, byte| found.or(self.push_json(*byte))),
            _ => self.admit(bytes),
        }
    }

    /// Adds several tokens, of a document if there is one; the first phrase that they complete.
    pub(super) fn push_all(&mut self, tokens: &[u32], document: Option<&Document>) -> Option<usize> {
        let bytes = |id| document.map(|document| document.bytes(id)).unwrap_or_default();
        tokens.iter().fold(None, |found, &id| found.or(self.push(id, &bytes(id))))
    }

    fn push_json(&mut self, byte: u8) -> Option<usize> {
        let Reader::Json(strings) = &mut self.reader else { return None };
        match strings.push(byte) {
            Said::Nothing => None,
            Said::Begins => {
                self.tail.clear();
                None
            }
            Said::Text(piece) => self.admit(&piece),
        }
    }

    fn admit(&mut self, piece: &[u8]) -> Option<usize> {
        self.tail.extend_from_slice(piece);
        let found = self.banned.find(&self.tail);
        let needed = self.banned.longest().saturating_sub(1);
        self.tail.drain(..self.tail.len().saturating_sub(needed));
        found
    }
}

/// The strings of a JSON document that are values.
#[derive(Debug, Clone, Default)]
struct Strings {
    /// Whether each of the open brackets is an object's.
    objects: Vec<bool>,
    /// Whether the next string is a key.
    expects_key: bool,
    /// Whether the open string is a key.
    open: Option<bool>,
    /// An escape that is not whole yet.
    escape: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum Said {
    Nothing,
    /// A string that is a value.
    Begins,
    /// More of it.
    Text(Vec<u8>),
}

impl Strings {
    fn push(&mut self, byte: u8) -> Said {
        let Some(is_key) = self.open else { return self.between(byte) };
        if self.escape.is_empty() && byte == b'"' {
            self.open = None;
            return Said::Nothing;
        }
        let written = if self.escape.is_empty() && byte != b'\\' { vec![byte] } else { self.unescaped(byte) };
        if is_key || written.is_empty() { Said::Nothing } else { Said::Text(written) }
    }

    fn between(&mut self, byte: u8) -> Said {
        match byte {
            b'{' | b'[' => {
                self.objects.push(byte == b'{');
                self.expects_key = byte == b'{';
            }
            b'}' | b']' => {
                self.objects.pop();
                self.expects_key = false;
            }
            b',' => self.expects_key = self.objects.last().copied().unwrap_or(false),
            b':' => self.expects_key = false,
            b'"' => {
                self.open = Some(self.expects_key);
                return if self.expects_key { Said::Nothing } else { Said::Begins };
            }
            _ => {}
        }
        Said::Nothing
    }

    /// The bytes of an escape once it is whole: `\n`, `\u6709`, or two of these for one character.
    fn unescaped(&mut self, byte: u8) -> Vec<u8> {
        self.escape.push(byte);
        let is_short = self.escape.len() == 2 && byte != b'u';
        let is_half = matches!(self.escape.get(2..4), Some([b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B']));
        let is_whole = is_short || (self.escape.len() == 6 && !is_half) || self.escape.len() == 12;
        if !is_whole {
            return Vec::new();
        }
        let quoted = [b"\"".as_slice(), &std::mem::take(&mut self.escape), b"\""].concat();
        serde_json::from_slice::<String>(&quoted).map(String::into_bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::banned::BannedPhrase;
    use super::*;

    fn watch(phrases: &[&str], is_json: bool) -> Watch {
        let phrase = |phrase: &&str| BannedPhrase { phrase: phrase.to_string(), instead: None };
        let phrases: Vec<BannedPhrase> = phrases.iter().map(phrase).collect();
        Watch::document(Arc::new(Banned::new(&phrases).unwrap().unwrap()), is_json)
    }

    /// Whether the text is stopped in each way of cutting it, and the byte at which it is.
    fn stopped(phrases: &[&str], is_json: bool, text: &str) -> Option<usize> {
        let ends: Vec<Option<usize>> = (1..=text.len())
            .map(|width| {
                let mut watch = watch(phrases, is_json);
                let at = text.as_bytes().chunks(width).position(|piece| watch.push(0, piece).is_some());
                at.map(|at| ((at + 1) * width).min(text.len()))
            })
            .collect();
        assert!(ends.iter().all(|end| end.is_some() == ends[0].is_some()), "{text}: {ends:?}");
        ends[0]
    }

    #[test]
    fn a_phrase_is_found_across_all_pieces_and_where_it_ends() {
        let text = "该员工有待提升。";
        assert_eq!(stopped(&["有待提升"], false, text), text.find('。'));
        assert_eq!(stopped(&["有待加强", "Weak"], false, "a wEaK spot"), Some(6));
        assert_eq!(stopped(&["有待提升"], false, "有待有待提高提升"), None);
        assert_eq!(stopped(&["aab"], false, "aaab"), Some(4));
    }

    #[test]
    fn in_json_what_the_strings_say_counts() {
        for (text, is_found) in [
            (r#"{"a":"有待提升"}"#, true),
            (r#"{"a":["x","\u6709待\u63d0升"]}"#, true),
            (r#"{"a":"有待","b":"提升"}"#, false),
            (r#"{"有待提升":"好"}"#, false),
            (r#"[{"a":1},"有待提升"]"#, true),
            (r#""有待提升""#, true),
            (r#"{"a":"有待\n提升"}"#, false),
            (r#"{"a":{"b":"c"},"有待提升":1}"#, false),
        ] {
            assert_eq!(stopped(&["有待提升"], true, text).is_some(), is_found, "{text}");
        }
        assert!(stopped(&["say \"no\""], true, r#"{"a":"say \"no\""}"#).is_some());
        assert!(stopped(&["a/b"], true, r#"{"a":"a\/b"}"#).is_some());
        assert!(stopped(&["😀"], true, r#"{"a":"\ud83d\ude00"}"#).is_some());
    }
}
