//! Generation: prompts in, text out, token by token.
//!
//! A [`sequence`] says which tokens it wants run and takes their logits: grammar mask ([`constraint`]) → [`sampler`] → banned
//! phrases ([`guard`]) → text ([`output`], [`stop`]). The [`engine`] runs them on the model, each with the [`context`] that it has read. Whoever wants
//! a text steps the engine: a [`Stream`], a [`Session`], an evaluation.

mod banned;
mod candidates;
mod certain;
mod choices;
pub(crate) mod constraint;
mod context;
mod document;
mod drawing;
mod dry;
mod engine;
mod exact;
mod generation;
mod guard;
mod guide;
mod logits;
mod lookup;
mod messages;
mod next;
mod options;
mod output;
mod penalties;
mod ranked;
mod room;
mod sampler;
mod score;
mod scores;
mod sequence;
mod session;
mod stop;
mod stream;
mod top;
mod watch;

pub use banned::BannedPhrase;
pub(crate) use banned::{Banned, check as check_banned};
pub(crate) use constraint::check_size as check_schema_size;
pub(crate) use context::Context;
pub(crate) use engine::{Engine, Slot};
pub(crate) use exact::check_schema_numbers;
pub use generation::{FinishReason, GeneratedToken, Generation, TopToken, Usage};
pub use messages::{ChatMessage, ChatRole};
pub use options::GenerateOptions;
pub(crate) use output::Output;
pub(crate) use sampler::Sampler;
pub use score::{ScoreOptions, ScoredText};
pub(crate) use sequence::Sequence;
pub use session::{Attached, Session, SessionOptions};
pub use stream::Stream;

#[cfg(test)]
mod chat_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod speed_tests;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
