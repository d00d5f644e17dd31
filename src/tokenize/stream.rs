//! Tokens to text as they come, whole characters only, in time linear in the length.

use super::Tokenizer;

/// Decodes one sequence of tokens; the concatenation of all it gives is [`Tokenizer::decode`] of the sequence.
///
/// Bytes that cannot become UTF-8 any more give U+FFFD, as soon as that is certain.
#[derive(Debug, Clone)]
pub(crate) struct StreamDecoder {
    tokenizer: Tokenizer,
    skip_special: bool,
    /// Whether no token has given bytes yet.
    at_start: bool,
    /// How many leading characters (SentencePiece's space) may still be removed.
    strip: Option<(char, usize)>,
    /// The beginning of a character whose other bytes have not come yet: at most three bytes between calls.
    pending: Vec<u8>,
}

impl StreamDecoder {
    /// Begins a text; special tokens (end of turn, BOS, …) give nothing.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self::with_special(tokenizer, true)
    }

    pub(super) fn with_special(tokenizer: &Tokenizer, skip_special: bool) -> Self {
        let strip = tokenizer.detokenizer().strip_start();
        StreamDecoder { tokenizer: tokenizer.clone(), skip_special, at_start: true, strip, pending: Vec::new() }
    }

    /// One at the beginning of a text.
    pub fn fresh(&self) -> Self {
        Self::with_special(&self.tokenizer, self.skip_special)
    }

    /// Whether no character is begun.
    pub fn is_whole(&self) -> bool {
        self.pending.is_empty()
    }

    /// The characters that `id` completes; `None` while there are none. An id outside the vocabulary (models pad
    /// theirs) gives nothing.
    pub fn push(&mut self, id: u32) -> Option<String> {
        if self.skip_special && self.tokenizer.is_special(id) {
            return None;
        }
        let token = self.tokenizer.piece(id)?;
        let detokenizer = self.tokenizer.detokenizer();
        let bytes = if self.at_start { detokenizer.first_bytes(&token) } else { detokenizer.bytes(&token) };
        self.at_start = false;
        self.pending.extend_from_slice(&bytes);
        let text = take_complete(&mut self.pending);
        self.without_leading(text)
    }

    /// What is left when the sequence ends: U+FFFD for a character cut off in its middle.
    pub fn finish(&mut self) -> Option<String> {
        if self.pending.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        self.without_leading(text)
    }

    fn without_leading(&mut self, mut text: String) -> Option<String> {
        while let Some((c, left)) = self.strip {
            if text.is_empty() {
                break;
            }
            if left == 0 || !text.starts_with(c) {
                self.strip = None;
                break;
            }
            text.drain(..c.len_utf8());
            self.strip = Some((c, left - 1));
        }
        (!text.is_empty()).then_some(text)
    }
}

impl Tokenizer {
    /// The text of a token inside a text; a special one's is its name.
    pub fn decode_inside(&self, id: u32) -> String {
        self.token_bytes(id).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The text of `ids`. Invalid UTF-8 gives U+FFFD; ids outside the vocabulary give nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut stream = StreamDecoder::with_special(self, skip_special);
        let mut text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
        text.extend(stream.finish());
        text
    }
}

/// Takes everything off `pending` but an incomplete character at its end.
fn take_complete(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = pending.as_slice();
    let kept = loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                break 0;
            }
            Err(err) => {
                let (valid, after) = rest.split_at(err.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                match err.error_len() {
                    Some(bad) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        rest = &after[bad..];
                    }
                    None => break after.len(),
                }
            }
        }
    };
    pending.drain(..pending.len() - kept);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any split of any bytes gives what decoding them at once gives.
    #[test]
    fn bytes_in_pieces_equal_bytes_at_once() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let alphabet = ["a", "é", "你", "😀", "\u{fffd}"];
        for _ in 0..2000 {
            let mut bytes = Vec::new();
            for _ in 0..rng.random_range(0..12) {
                if rng.random_bool(0.3) {
                    bytes.push(rng.random::<u8>());
                } else {
                    bytes.extend_from_slice(alphabet[rng.random_range(0..alphabet.len())].as_bytes());
                }
            }
            let (mut pending, mut text) = (Vec::new(), String::new());
            for &byte in &bytes {
                pending.push(byte);
                text.push_str(&take_complete(&mut pending));
                assert!(pending.len() < 4);
            }
            text.push_str(&String::from_utf8_lossy(&pending));
            assert_eq!(text, String::from_utf8_lossy(&bytes), "{bytes:x?}");
        }
    }
}
