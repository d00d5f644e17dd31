//! Generation: prompts in, text out, token by token.
//!
//! A [`Session`] reads a prompt into its [`context`], a [`Stream`] draws one token after the other: logits → grammar
//! mask ([`constraint`]) → [`sampler`] → text ([`output`], [`stop`]).

pub(crate) mod constraint;
mod context;
mod generation;
mod options;
mod output;
mod sampler;
mod session;
mod stop;
mod stream;
mod vocabulary;

pub use generation::{FinishReason, GeneratedToken, Generation};
pub use options::GenerateOptions;
pub use session::{Attached, Session, SessionOptions};
pub use stream::Stream;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
