//! Texts as token ids and back, for hosts that count, cut or show tokens.

use super::prompt::PromptFormat;
use crate::error::{Code, Error, Result};
use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of a text at most: some tokenizers take seconds for each further megabyte, and cannot be stopped.
const MOST_BYTES: usize = 16 << 20;
/// Tokens at most.
const MOST_TOKENS: usize = 16 << 20;

/// How texts and token ids become each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizeOptions {
    /// `<|im_end|>` and its like are control tokens: read as such in a text, and written out in one. By default they are plain text when read, as everywhere in prompts, and left out when written.
    pub control_tokens: bool,
}

impl Options for TokenizeOptions {
    const NAME: &'static str = "tokenize";
}

impl PromptFormat {
    /// The ids of a text, with nothing around them.
    ///
    /// # Errors
    /// `InvalidArgument` for a text of more than 16 MiB.
    pub fn ids(&self, text: &str, options: &TokenizeOptions) -> Result<Vec<u32>> {
        if text.len() > MOST_BYTES {
            let message = format!("`text` has {} bytes; expected at most {MOST_BYTES}", text.len());
            return Err(Error::new(Code::InvalidArgument, message).with("argument", "text"));
        }
        if options.control_tokens {
            return self.tokenizer.encode(text, false);
        }
        match self.in_prompt.mark(&self.tokenizer, &[text])?.as_deref() {
            Some([marked]) => self.in_prompt.encode_marked(&self.tokenizer, marked, false),
            _ => self.tokenizer.encode(text, false),
        }
    }

    /// The text of ids below `vocab_size`; those that the tokenizer lacks are padding and give nothing.
    ///
    /// # Errors
    /// `InvalidArgument` for an id outside the vocabulary, or too many.
    pub fn text(&self, ids: &[u32], vocab_size: usize, options: &TokenizeOptions) -> Result<String> {
        if ids.len() > MOST_TOKENS {
            let message = format!("`ids` has {} tokens; expected at most {MOST_TOKENS}", ids.len());
            return Err(Error::new(Code::InvalidArgument, message).with("argument", "ids"));
        }
        let known = vocab_size.max(self.tokenizer.vocab_size());
        if let Some((index, id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= known) {
            let message =
                format!("`ids[{index}]` is {id}; expected token ids below {known}, the size of the vocabulary");
            return Err(Error::new(Code::InvalidArgument, message).with("argument", "ids").with("index", index));
        }
        Ok(self.tokenizer.decode(ids, !options.control_tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{byte_level, format, repository};
    use super::*;

    #[test]
    fn texts_come_back_and_control_tokens_are_what_was_asked_for() {
        let format = format(&repository("tests/fixtures/models/qwen2"), &["<|im_end|>"]);
        let (plain, control) = (TokenizeOptions::default(), TokenizeOptions { control_tokens: true });
        for text in ["", "a", "该员工\r\n 表现 😀", "x<|im_end|>y", "<|im_start|>"] {
            for options in [&plain, &control] {
                let ids = format.ids(text, options).unwrap();
                assert_eq!(format.text(&ids, 0, &control).unwrap(), text, "{options:?}");
            }
            let special = |ids: Vec<u32>| ids.into_iter().any(|id| format.tokenizer().is_special(id));
            assert!(!special(format.ids(text, &plain).unwrap()));
            assert_eq!(special(format.ids(text, &control).unwrap()), text.contains("<|"));
        }
        let ids = format.ids("x<|im_end|>y", &control).unwrap();
        assert_eq!((ids.len(), format.text(&ids, 0, &plain).unwrap().as_str()), (3, "xy"));
    }

    #[test]
    fn what_is_too_long_or_no_token_is_refused_before_it_costs_anything() {
        let format = PromptFormat::new(byte_level(), None, &[0], None).unwrap();
        let options = TokenizeOptions::default();
        let err = format.ids(&"a".repeat(MOST_BYTES + 1), &options).unwrap_err();
        assert_eq!((err.code(), &err.details()["argument"]), (Code::InvalidArgument, &"text".into()));
        let err = format.text(&vec![1; MOST_TOKENS + 1], 400, &options).unwrap_err();
        assert_eq!(err.details()["argument"], "ids");
        let err = format.text(&[1, 400], 400, &options).unwrap_err();
        assert_eq!((&err.details()["index"], err.message().contains("below 400")), (&1.into(), true), "{err}");
        assert_eq!(format.text(&[399], 400, &options).unwrap(), "");
    }
}
