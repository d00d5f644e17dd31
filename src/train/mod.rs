//! LoRA training: recipe, loop, early stopping, monitoring, run directories.

mod append;
mod checkpoint;
mod claim;
mod convergence;
mod data;
mod done;
mod early_stopping;
mod estimate;
mod evaluate;
mod evaluation;
mod failure;
mod folds;
mod memorisation;
mod memory;
mod memory_options;
mod metrics;
mod notes;
mod optimizer;
mod options;
mod outcome;
mod overlap;
mod plan;
mod probe;
mod resume;
mod run;
mod run_dir;
mod schedule;
mod step;
mod tensorboard;
mod trainer;
mod workload;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod checkpoint_fuzzing;
#[cfg(test)]
mod curve_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod estimate_tests;
#[cfg(test)]
mod evaluation_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod quantized_curve_tests;
#[cfg(test)]
mod tests;

pub use estimate::estimate;
pub use evaluate::{EvaluateOptions, evaluate};
pub use memory_options::{AutoWord, ByteSize, GradientCheckpointing};
pub use options::{SchedulerType, TrainOptions};
pub use trainer::{TrainOutcome, train};
