//! LoRA training: recipe, loop, checkpoints, monitoring.

mod metrics;
mod options;
mod run_dir;
mod schedule;
mod tensorboard;

pub use options::{SchedulerType, TrainOptions};
