//! Which rows are trained on, which are held out, and in which micro-batch of which step each one is.

mod folds;
mod order;
mod plan;
mod split;
mod strata;

pub(crate) use order::MicroBatches;
pub(crate) use plan::{Part, Plan, PlannedRun, planned_runs};
