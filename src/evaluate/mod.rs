//! How good a model and its adapters are on rows: loss and perplexity, and whether answers are copies.

mod adapters;
mod batches;
mod evaluation;
mod memorisation;
mod overlap;

pub use adapters::{EvaluateOptions, evaluate};
pub(crate) use batches::{pack, size, validation_batches};
pub(crate) use evaluation::{Evaluation, loss_of};
pub(crate) use memorisation::{Asked, MAX_TOKENS, Probe, memorisation};
