//! What may be asked of a training.

mod memory;
mod train_options;

pub(crate) use memory::shown;
pub use memory::{AutoWord, ByteSize, GradientCheckpointing};
pub use train_options::{SchedulerType, TrainOptions};
