//! Tokens to bytes: the `decoder` of a `tokenizer.json` as a rule per token.
//!
//! The `tokenizers` crate decodes whole sequences only. Streaming and grammar masks need the bytes of one token, so
//! the decoders of byte-level BPE (Qwen, Llama 3) and of SentencePiece-like BPE (Llama 2, Gemma) are read here.

use crate::error::{Code, Error, Result};
use serde_json::Value;

/// How the text of a token becomes bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Detokenizer {
    /// GPT-2's map from printable characters to bytes.
    byte_level: bool,
    /// `<0xE4>` is that byte.
    byte_fallback: bool,
    /// Texts replaced in each token, e.g. `▁` by a space.
    replace: Vec<(String, String)>,
    /// A character that stands for a space and is dropped from the first token of a text.
    drop_from_first: Option<char>,
    /// Up to this many of this character are removed where a text begins.
    strip_start: Option<(char, usize)>,
}

impl Detokenizer {
    /// Reads the `decoder` object of a `tokenizer.json`.
    pub fn new(decoder: &Value) -> Result<Self> {
        let mut rule = Detokenizer::default();
        let steps = match decoder.get("type").and_then(Value::as_str) {
            Some("Sequence") => {
                decoder.get("decoders").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
            }
            _ => std::slice::from_ref(decoder),
        };
        let mut fused = false;
        for step in steps {
            let kind = step.get("type").and_then(Value::as_str).unwrap_or("none");
            match kind {
                "Fuse" => fused = true,
                "ByteLevel" if !fused => rule.byte_level = true,
                "ByteFallback" if !fused => rule.byte_fallback = true,
                "Replace" if !fused => rule.replace.push(replacement(step)?),
                "Metaspace" if !fused => rule.metaspace(step),
                "Strip" if fused && step["stop"] == 0 => {
                    let content = step["content"].as_str().and_then(|text| text.chars().next());
                    let count = step["start"].as_u64().and_then(|n| usize::try_from(n).ok());
                    rule.strip_start = content.zip(count);
                }
                other => return Err(unsupported(other)),
            }
        }
        Ok(rule)
    }

    fn metaspace(&mut self, step: &Value) {
        let mark = step["replacement"].as_str().and_then(|text| text.chars().next()).unwrap_or('▁');
        let prepends = match step.get("prepend_scheme").and_then(Value::as_str) {
            Some(scheme) => scheme != "never",
            None => step.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true),
        };
        self.drop_from_first = prepends.then_some(mark);
        self.replace.push((mark.to_string(), " ".to_owned()));
    }

    /// The bytes of a token inside a text.
    pub fn bytes(&self, token: &str) -> Vec<u8> {
        if self.byte_fallback
            && let Some(byte) = fallback_byte(token)
        {
            return vec![byte];
        }
        if self.byte_level
            && let Some(bytes) = token.chars().map(byte_of_char).collect()
        {
            return bytes;
        }
        if !self.replace.iter().any(|(from, _)| token.contains(from.as_str())) {
            return token.as_bytes().to_vec();
        }
        self.replace.iter().fold(token.to_owned(), |text, (from, to)| text.replace(from.as_str(), to)).into_bytes()
    }

    /// The bytes of the token that a text begins with.
    pub fn first_bytes(&self, token: &str) -> Vec<u8> {
        match self.drop_from_first {
            Some(mark) if token.contains(mark) => self.bytes(&token.replace(mark, "")),
            _ => self.bytes(token),
        }
    }

    /// What is removed where a text begins: the character and how many of it.
    pub fn strip_start(&self) -> Option<(char, usize)> {
        self.strip_start
    }
}

fn replacement(step: &Value) -> Result<(String, String)> {
    match (step["pattern"]["String"].as_str(), step["content"].as_str()) {
        (Some(from), Some(to)) if !from.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err(unsupported("Replace with a regular expression")),
    }
}

fn unsupported(kind: &str) -> Error {
    Error::new(
        Code::Unsupported,
        format!(
            "tokenizer.json has the decoder step `{kind}` here; expected byte-level BPE (Qwen, Llama 3) or \
             SentencePiece with byte fallback (Llama 2)"
        ),
    )
    .with("decoder", kind)
}

/// The byte of `<0xE4>`.
fn fallback_byte(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok())?
}

/// GPT-2's `bytes_to_unicode`, inverted: printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 on.
fn byte_of_char(c: char) -> Option<u8> {
    match c {
        '!'..='~' | '¡'..='¬' | '®'..='ÿ' => u8::try_from(u32::from(c)).ok(),
        'Ā'..='Ń' => {
            let n = u8::try_from(u32::from(c) - 256).ok()?;
            Some(match n {
                0..=32 => n,
                33..=66 => n - 33 + 127,
                _ => 173,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_byte_map_is_a_bijection_with_gpt2s_landmarks() {
        let mut seen = [false; 256];
        for code in 0..0x200u32 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of_char) {
                assert!(!seen[usize::from(byte)], "byte {byte} twice");
                seen[usize::from(byte)] = true;
            }
        }
        assert!(seen.iter().all(|&s| s));
        for (c, byte) in
            [('Ġ', b' '), ('Ċ', b'\n'), ('ĉ', b'\t'), ('a', b'a'), ('ä', 0xE4), ('½', 0xBD), ('ł', 0xA0), ('Ń', 0xAD)]
        {
            assert_eq!(byte_of_char(c), Some(byte), "{c}");
        }
    }

    #[test]
    fn decoders_give_bytes_per_token() {
        let llama2 = json!({"type":"Sequence","decoders":[
            {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
            {"type":"Strip","content":" ","start":1,"stop":0}]});
        let metaspace = json!({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true});
        let byte_level = json!({"type":"ByteLevel"});
        for (decoder, token, inside, first) in [
            (&llama2, "▁Once", &b" Once"[..], &b" Once"[..]),
            (&llama2, "<0xE4>", b"\xE4", b"\xE4"),
            (&llama2, "<0xXY>", b"<0xXY>", b"<0xXY>"),
            (&metaspace, "▁Once", b" Once", b"Once"),
            (&byte_level, "Ġhello", b" hello", b" hello"),
            (&byte_level, "ä½ł", "你".as_bytes(), "你".as_bytes()),
            (&byte_level, "<|标记|>", "<|标记|>".as_bytes(), "<|标记|>".as_bytes()),
        ] {
            let rule = Detokenizer::new(decoder).unwrap();
            assert_eq!(rule.bytes(token), inside, "{token}");
            assert_eq!(rule.first_bytes(token), first, "{token}");
        }
    }

    #[test]
    fn other_decoders_are_refused_by_name() {
        for decoder in [
            json!({"type":"WordPiece","prefix":"##"}),
            json!(null),
            json!({"type":"Strip","content":" ","start":1,"stop":0}),
        ] {
            let err = Detokenizer::new(&decoder).unwrap_err();
            assert_eq!(err.code(), Code::Unsupported, "{decoder}");
        }
    }
}
