//! What a training will run, pass by pass: the ground of every estimate.

use super::data::{epoch_order, fold_rows, groups, split};
use super::evaluation::TOKENS;
use super::folds;
use super::options::TrainOptions;
use super::plan::Plan;
use crate::model::BatchSize;
use crate::tokenize::Example;

/// Rows looked at; from there on, epochs are taken to be like those before.
const ROWS: usize = 1 << 20;

/// The passes of a training, if nothing ends it early.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Workload {
    /// Micro-batches of the epochs looked at.
    pub(super) training: Vec<BatchSize>,
    /// How many times as many there will be.
    pub(super) training_factor: f64,
    /// The passes of one validation of each run.
    pub(super) validation: Vec<BatchSize>,
    /// How many times those are made.
    pub(super) validations: u64,
    /// Optimizer steps, of all runs.
    pub(super) steps: u64,
    /// With folds, the best adapter of a fold is kept beside that of the run.
    pub(super) folds: usize,
}

impl Workload {
    pub(super) fn of(rows: &[Example], options: &TrainOptions) -> Self {
        let folds = folds::count(rows.len(), options);
        let mut workload = Workload { folds, ..Workload::default() };
        let (mut seen, mut planned) = (0, 0);
        for Run { train, validation, plan } in runs(rows.len(), folds, options) {
            let size = |rows_of: &[usize]| size(rows_of.iter().map(|&row| &rows[row]));
            workload.validation.extend(groups(&validation, rows, usize::MAX, TOKENS).iter().map(|group| size(group)));
            workload.validations = 1 + plan.until.div_ceil(plan.eval_every);
            workload.steps += plan.until;
            planned += plan.until;
            let rows_per_step = options.batch_size * options.gradient_accumulation_steps;
            let steps_per_epoch = train.len().div_ceil(rows_per_step).max(1) as u64;
            let epochs = plan.until.div_ceil(steps_per_epoch).min((ROWS / train.len().max(1)).max(1) as u64);
            let orders = (0..epochs).map(|epoch| epoch_order(&train, options.seed, epoch));
            let mut left = plan.until;
            for order in orders {
                for step in order.chunks(rows_per_step).take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    workload.training.extend(step.chunks(options.batch_size).map(size));
                    left -= 1;
                }
            }
            seen += plan.until - left;
        }
        workload.training_factor = planned as f64 / seen.max(1) as f64;
        workload
    }

    /// Without rows: passes of `batch_size` rows of the greatest length, all of it trained.
    pub(super) fn greatest(max_length: usize, options: &TrainOptions) -> Self {
        let mut batch = BatchSize::default();
        (0..options.batch_size).for_each(|_| batch.add_row(max_length, 0));
        Workload { training: vec![batch], training_factor: 0.0, ..Workload::default() }
    }

    /// Tokens of all training passes.
    pub(super) fn tokens(&self) -> u64 {
        (self.training.iter().map(|batch| batch.tokens).sum::<usize>() as f64 * self.training_factor) as u64
    }
}

struct Run {
    train: Vec<usize>,
    validation: Vec<usize>,
    plan: Plan,
}

/// The runs that [`super::train`] makes of so many rows.
fn runs(rows: usize, folds: usize, options: &TrainOptions) -> Vec<Run> {
    if folds == 0 {
        let (train, validation) = split(rows, options.validation_share, options.seed);
        let plan = Plan::new(options, train.len(), 0);
        return vec![Run { train, validation, plan }];
    }
    let plan = Plan::new(options, rows, folds::MIN_STEPS);
    let parts = fold_rows(rows, folds, options.seed).into_iter();
    let all = Run { train: (0..rows).collect(), validation: Vec::new(), plan };
    parts.map(|(train, validation)| Run { train, validation, plan }).chain([all]).collect()
}

/// The size of rows packed into one pass.
pub(super) fn size<'a>(rows: impl IntoIterator<Item = &'a Example>) -> BatchSize {
    let mut size = BatchSize::default();
    rows.into_iter().for_each(|row| size.add_row(row.ids.len(), row.prompt_len));
    size
}

#[cfg(test)]
mod tests {
    use super::super::data::pack;
    use super::*;

    fn rows(count: usize) -> Vec<Example> {
        (0..count).map(|i| Example { ids: vec![1; 4 + i % 5], prompt_len: 1 + i % 3 }).collect()
    }

    #[test]
    fn a_size_is_that_of_the_packed_batch() {
        let rows = rows(7);
        let (batch, size) = (pack(&rows), size(&rows));
        assert_eq!((size.tokens, size.trained), (batch.num_tokens(), batch.num_trained()));
    }

    #[test]
    fn all_steps_are_counted_also_those_that_were_not_looked_at() {
        let options = TrainOptions { batch_size: 4, max_steps: 13, ..Default::default() };
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
