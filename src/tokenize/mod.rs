//! Text to tokens and back, and the conversation format a model was tuned on.
//!
//! Everything here equals what `transformers` does with the same files (`tests/fixtures/chat` holds that), with one
//! deliberate difference: text that a person supplied never becomes a control token.

mod config;
mod control_tokens;
mod conversation;
mod detokenize;
mod gguf;
mod ids;
mod jinja;
mod probe;
mod prompt;
mod stream;
mod template;
mod tokenizer;
mod tokenizer_json;
mod vetting;
mod vocabulary;
mod words;

pub use ids::TokenizeOptions;
pub(crate) use prompt::{Example, PromptFormat};
pub(crate) use stream::StreamDecoder;
pub(crate) use template::{ChatTemplate, Message};
pub(crate) use tokenizer::Tokenizer;
pub(crate) use vocabulary::{Vocabulary, first_line};

#[cfg(test)]
pub(crate) mod test_support;

#[cfg(test)]
mod conversation_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod prompt_tests;
#[cfg(test)]
mod tests;
