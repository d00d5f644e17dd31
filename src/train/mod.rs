//! LoRA training: recipe, loop, early stopping, monitoring, run directories.
//!
//! ```text
//! run                  steps and validations, folds, what a training came to
//! estimate             memory and time, before a training begins
//! optimizer            the trained tensors and one AdamW step over them
//! batches   record     which rows are in which micro-batch; the run directory
//! options              what may be asked for
//! ```

mod batches;
mod estimate;
mod optimizer;
mod options;
mod record;
mod run;

pub use estimate::estimate;
pub use options::{AutoWord, ByteSize, GradientCheckpointing, SchedulerType, TrainOptions};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use run::checkpoint_fuzzing;
pub use run::{TrainOutcome, train};
