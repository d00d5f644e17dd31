//! What may be asked of a training.

mod memory;
#[cfg(test)]
mod tests;
mod train_options;
mod validate;

pub(crate) use memory::shown;
pub use memory::{AutoWord, ByteSize, GradientCheckpointing};
pub use train_options::{SchedulerType, TrainOptions};
