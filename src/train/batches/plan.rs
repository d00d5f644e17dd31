//! The runs that a training is made of: on which rows, and how long each is.

use super::folds::{FEW_ROWS, MIN_STEPS, count_folds, fold_rows};
use super::order::steps_per_epoch;
use super::split::split;
use crate::dataset::Strata;
use crate::train::options::TrainOptions;

/// Rows that are held out at least where there are no folds, and the share that they may be of all.
const CALIBRATION_ROWS: f64 = 100.0;
const CALIBRATION_SHARE: f64 = 0.2;

/// Which run of a training this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The only one.
    Whole,
    /// The run that holds out fold 0, 1, …
    Fold(usize),
    /// The last one after folds, on all rows.
    Refit,
}

/// How long a run is. All runs of a training have the same schedule and validate at the same steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Steps of the learning rate's schedule.
    pub(crate) total_steps: u64,
    /// Steps to run, at most `total_steps`.
    pub(crate) until: u64,
    /// Steps between validations.
    pub(crate) eval_every: u64,
    /// How many times the steps were doubled.
    pub(crate) doublings: u32,
}

impl Plan {
    /// A plan for `rows` training rows; `min_steps` stands in for the option of that name where it is not set.
    fn new(options: &TrainOptions, rows: usize, min_steps: u64) -> Self {
        let steps_per_epoch = steps_per_epoch(rows, options);
        let epochs = (options.num_train_epochs * steps_per_epoch as f64).ceil() as u64;
        let total_steps = match options.max_steps {
            0 => epochs.max(options.min_steps.unwrap_or(min_steps)).max(1),
            exactly => exactly,
        };
        let eval_every = if options.eval_steps == 0 { steps_per_epoch } else { options.eval_steps };
        Plan { total_steps, until: total_steps, eval_every, doublings: 0 }
    }

    /// The same with twice the steps.
    pub(crate) fn doubled(self) -> Self {
        let total_steps = self.total_steps.saturating_mul(2);
        Plan { total_steps, until: total_steps, eval_every: self.eval_every, doublings: self.doublings + 1 }
    }
}

/// A run before it begins.
#[derive(Debug, Clone)]
pub(crate) struct PlannedRun {
    pub(crate) part: Part,
    pub(crate) train_rows: Vec<usize>,
    pub(crate) validation_rows: Vec<usize>,
    pub(crate) plan: Plan,
}

/// The share of the rows that one run holds out. From a tenth of some hundred rows too little could be learnt of how far
/// confidences can be relied on.
fn held_out_share(rows: usize, options: &TrainOptions) -> f64 {
    let share = options.validation_share;
    let calibrates = options.calibration_rows > 0 && share > 0.0 && rows >= FEW_ROWS;
    if calibrates { share.max((CALIBRATION_ROWS / rows as f64).min(CALIBRATION_SHARE)) } else { share }
}

/// The runs of a training on rows of these strata: one, or one for each fold and one on all rows after them. A file that says
/// which rows are held out decides that alone.
pub(crate) fn planned_runs(strata: &Strata, options: &TrainOptions) -> Vec<PlannedRun> {
    let rows = strata.groups.len();
    let folds = if strata.held_out.is_some() { 0 } else { count_folds(rows, options) };
    if folds == 0 {
        let (train_rows, validation_rows) = split(strata, held_out_share(rows, options), options.seed);
        let plan = Plan::new(options, train_rows.len(), 0);
        return vec![PlannedRun { part: Part::Whole, train_rows, validation_rows, plan }];
    }
    let plan = Plan::new(options, rows, MIN_STEPS);
    let parts = fold_rows(strata, folds, options.seed).into_iter().enumerate();
    let refit = PlannedRun { part: Part::Refit, train_rows: (0..rows).collect(), validation_rows: Vec::new(), plan };
    parts
        .map(|(index, (train_rows, validation_rows))| PlannedRun {
            part: Part::Fold(index),
            train_rows,
            validation_rows,
            plan,
        })
        .chain([refit])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_hundred_rows_hold_out_enough_to_calibrate_on() {
        let held_out =
            |rows: usize, options: &TrainOptions| planned_runs(&Strata::none(rows), options)[0].validation_rows.len();
        let auto = TrainOptions::default();
        let uncalibrated = TrainOptions { calibration_rows: 0, ..auto.clone() };
        let unvalidated = TrainOptions { validation_share: 0.0, ..auto.clone() };
        for (rows, [expected, without]) in
            [(100, [20, 10]), (150, [30, 15]), (240, [48, 24]), (400, [80, 40]), (800, [100, 80]), (1200, [120, 120])]
        {
            assert_eq!((held_out(rows, &auto), held_out(rows, &uncalibrated)), (expected, without), "{rows}");
            assert_eq!(held_out(rows, &unvalidated), 0);
        }
    }
}
