//! Whether a prompt has room: by its bytes before it is tokenized, which takes seconds for many megabytes and cannot be stopped;
//! then by its tokens.

use crate::error::{Code, Error, Result};
use crate::tokenize::Tokenizer;

/// Shorter prompts are tokenized in any case: it takes a second at most, and then their tokens can be told.
const SHORT: usize = 1 << 20;
/// Normalizers write a character with fewer bytes at times.
const SHRINKING: usize = 4;

/// Refuses texts of so many `bytes` in all that even the longest tokens would not bring them into `limit` tokens.
pub(super) fn check_bytes(bytes: usize, limit: usize, tokenizer: &Tokenizer) -> Result<()> {
    if bytes <= SHORT {
        return Ok(());
    }
    let most = limit.saturating_mul(tokenizer.longest_token()).saturating_mul(SHRINKING).max(SHORT);
    if bytes <= most {
        return Ok(());
    }
    let message = format!(
        "the prompt has {bytes} bytes; the context of {limit} tokens never holds more than {most}: shorten the input or the \
         role prompt"
    );
    Err(Error::new(Code::ContextLength, message).with("prompt_bytes", bytes).with("context_length", limit))
}

/// The error for a prompt that leaves no room.
pub(super) fn too_long(prompt_tokens: usize, more: usize, limit: usize) -> Error {
    Error::new(
        Code::ContextLength,
        format!(
            "the prompt has {prompt_tokens} tokens and needs room for {more} more; the context holds {limit}: shorten \
             the input or the role prompt"
        ),
    )
    .with("prompt_tokens", prompt_tokens)
    .with("required", prompt_tokens + more)
    .with("context_length", limit)
}

#[cfg(test)]
mod tests {
    use crate::control::Cancel;
    use crate::error::Code;
    use crate::generate::test_support::*;
    use crate::generate::{ChatMessage, ChatRole, GenerateOptions};

    #[test]
    fn what_can_never_fit_is_refused_by_its_bytes() {
        let model = random_model();
        let mut session = session(&model);
        let long = "long ".repeat(8 << 20);
        let turns = [ChatRole::User, ChatRole::Assistant].map(|role| ChatMessage::new(role, long.clone()));
        let in_turns = GenerateOptions { messages: Some(turns.to_vec()), ..GenerateOptions::default() };
        let in_system = GenerateOptions { system: Some(long.clone()), ..GenerateOptions::default() };
        let raw = GenerateOptions { raw: true, ..GenerateOptions::default() };
        for (prompt, options) in
            [(long.as_str(), &GenerateOptions::default()), (long.as_str(), &raw), ("a", &in_turns), ("a", &in_system)]
        {
            let err = session.choices(prompt, options, &Cancel::new()).unwrap_err();
            assert_eq!(err.code(), Code::ContextLength);
            assert!(err.details()["prompt_bytes"].as_u64().unwrap() >= 40 << 20, "{err:?}");
            assert!(err.message().len() < 300);
        }
        // What is tokenized is refused by its tokens.
        let err = session.choices(&"long ".repeat(2000), &GenerateOptions::default(), &Cancel::new()).unwrap_err();
        assert!(err.details()["prompt_tokens"].as_u64().unwrap() > 2000, "{err:?}");
    }
}
