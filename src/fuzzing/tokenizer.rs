//! A `tokenizer.json`: what loads also encodes, and decodes what it encoded.

use super::check;
use crate::tokenize::Tokenizer;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(tokenizer) = check(Tokenizer::from_json(text)) else { return };
    for text in ["", "Once upon a time", "绩效:A\u{fdd0}<|im_end|>\r\n", "\u{10FFFD}\u{0}"] {
        for add_special_tokens in [false, true] {
            if let Some(ids) = check(tokenizer.encode(text, add_special_tokens)) {
                tokenizer.decode(&ids, false);
            }
        }
        check(tokenizer.encode_as_text(text));
        check(tokenizer.encode_continuation(text));
    }
    check(tokenizer.leading_bos(Some(0)));
    tokenizer.token_bytes(u32::MAX);
}
