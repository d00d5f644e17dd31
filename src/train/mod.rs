//! LoRA training: recipe, loop, early stopping, monitoring, run directories.

mod checkpoint;
mod data;
mod early_stopping;
mod evaluation;
mod folds;
mod memorisation;
mod metrics;
mod optimizer;
mod options;
mod outcome;
mod overlap;
mod plan;
mod resume;
mod run_dir;
mod schedule;
mod tensorboard;
mod trainer;

#[cfg(test)]
mod curve_tests;
#[cfg(test)]
mod evaluation_tests;
#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod tests;

pub use evaluation::evaluate;
pub use options::{SchedulerType, TrainOptions};
pub use trainer::{TrainOutcome, train};
