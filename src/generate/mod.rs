//! Generation: prompts in, text out, token by token.
//!
//! A [`Session`] reads a prompt into its [`context`], a [`Stream`] draws one token after the other: logits → grammar
//! mask ([`constraint`]) → [`sampler`] → text ([`output`], [`stop`]).

pub(crate) mod constraint;
mod context;
mod exact;
mod generation;
mod options;
mod output;
mod sampler;
mod session;
mod stop;
mod stream;
mod vocabulary;

pub(crate) use constraint::check_size as check_schema_size;
pub(crate) use exact::check_schema_numbers;
pub use generation::{FinishReason, GeneratedToken, Generation};
pub use options::GenerateOptions;
pub use session::{Attached, Session, SessionOptions};
pub use stream::Stream;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
