//! What a training will run, pass by pass: the ground of every estimate.

use crate::dataset::Examples;
use crate::evaluate::{size, validation_batches};
use crate::model::BatchSize;
use crate::train::batches::{MicroBatches, PlannedRun, planned_runs};
use crate::train::options::TrainOptions;

/// Rows looked at; from there on, epochs are taken to be like those before.
const ROWS: usize = 1 << 20;

/// The passes of a training, if nothing ends it early.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Workload {
    /// Micro-batches of the epochs looked at.
    pub(crate) training: Vec<BatchSize>,
    /// How many times as many there will be.
    pub(crate) training_factor: f64,
    /// The passes of one validation of each run.
    pub(crate) validation: Vec<BatchSize>,
    /// Rows that are held out, of all runs.
    pub(crate) held_out: usize,
    /// How many times those are made.
    pub(crate) validations: u64,
    /// Optimizer steps, of all runs.
    pub(crate) steps: u64,
    /// With folds, the best adapter of a fold is kept beside that of the run.
    pub(crate) folds: usize,
}

impl Workload {
    pub(crate) fn of(examples: &Examples, options: &TrainOptions) -> Self {
        let (rows, runs) = (&examples.rows, planned_runs(&examples.strata, options));
        let mut workload = Workload { folds: runs.len() - 1, ..Workload::default() };
        let (mut seen, mut planned) = (0, 0);
        for PlannedRun { train_rows, validation_rows, plan, .. } in runs {
            let size = |rows_of: &[usize]| size(rows_of.iter().map(|&row| &rows[row]));
            workload.validation.extend(validation_batches(&validation_rows, rows).iter().map(|batch| size(batch)));
            workload.held_out += validation_rows.len();
            workload.validations = 1 + plan.until.div_ceil(plan.eval_every);
            workload.steps += plan.until;
            planned += plan.until;
            let batches = MicroBatches::new(&train_rows, options);
            let most = (ROWS / train_rows.len().max(1)).max(1) as u64;
            let mut left = plan.until;
            for epoch in 0..plan.until.div_ceil(batches.steps_per_epoch()).min(most) {
                for step in batches.epoch(epoch).steps().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    workload.training.extend(step.map(size));
                    left -= 1;
                }
            }
            seen += plan.until - left;
        }
        workload.training_factor = planned as f64 / seen.max(1) as f64;
        workload
    }

    /// Without rows: passes of `batch_size` rows of the greatest length, all of it trained.
    pub(crate) fn greatest(max_length: usize, options: &TrainOptions) -> Self {
        let mut batch = BatchSize::default();
        (0..options.batch_size).for_each(|_| batch.add_row(max_length, 0));
        Workload { training: vec![batch], training_factor: 0.0, ..Workload::default() }
    }

    /// Tokens of all training passes.
    pub(crate) fn tokens(&self) -> u64 {
        (self.training.iter().map(|batch| batch.tokens).sum::<usize>() as f64 * self.training_factor) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Strata;
    use crate::tokenize::Example;

    fn rows(count: usize) -> Examples {
        let rows = (0..count).map(|i| Example { ids: vec![1; 4 + i % 5], prompt_len: 1 + i % 3 }).collect();
        let row_numbers = (1..=count).collect();
        Examples { rows, row_numbers, strata: Strata::none(count), skipped: Vec::new(), truncated: Vec::new() }
    }

    #[test]
    fn all_steps_are_counted_also_those_that_were_not_looked_at() {
        let options = TrainOptions { batch_size: 4, max_steps: 13, validation_folds: Some(0), ..Default::default() };
        let workload = Workload::of(&rows(50), &options);
        assert_eq!((workload.training.len(), workload.steps, workload.training_factor), (13, 13, 1.0));
        // 45 rows, 12 steps to an epoch: before the first step, after 12, and at the end.
        assert_eq!((workload.validation.len(), workload.validations), (1, 3));
        assert!(workload.training.iter().all(|batch| batch.tokens <= 4 * 8));

        let long = TrainOptions { max_steps: 10_000_000, ..options };
        let estimated = Workload::of(&rows(50), &long);
        assert!(estimated.training.len() < ROWS / 3);
        let share = estimated.tokens() as f64 / (10_000_000.0 / 13.0 * workload.tokens() as f64);
        assert!((share - 1.0).abs() < 0.1, "{share}");
    }

    #[test]
    fn folds_are_runs_of_their_own() {
        let options = TrainOptions { max_steps: 6, ..Default::default() };
        let workload = Workload::of(&rows(20), &options);
        assert_eq!((workload.folds, workload.steps, workload.training.len()), (5, 36, 36));
        assert_eq!(workload.validation.len(), 5);
    }
}
