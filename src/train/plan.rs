//! What a training is made of: what is trained on what, in which runs, and how long each is.

use super::options::TrainOptions;
use crate::dataset::{Dataset, Examples};
use crate::language_model::LanguageModel;
use std::time::Instant;

/// What is trained on what, and how.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) dataset: &'a Dataset,
    pub(super) options: &'a TrainOptions,
    pub(super) examples: &'a Examples,
    pub(super) started: Instant,
}

/// Which run of a training this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The only one.
    Whole,
    /// The run that holds out fold 0, 1, …
    Fold(usize),
    /// The last one after folds, on all rows.
    Refit,
}

/// How long a run is. All runs of a training have the same schedule and validate at the same steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Steps of the learning rate's schedule.
    pub(super) total_steps: u64,
    /// Steps to run, at most `total_steps`.
    pub(super) until: u64,
    /// Steps between validations.
    pub(super) eval_every: u64,
}

impl Plan {
    /// A plan for `rows` training rows; `min_steps` stands in for the option of that name where it is not set.
    pub(super) fn new(options: &TrainOptions, rows: usize, min_steps: u64) -> Self {
        let steps_per_epoch = rows.div_ceil(options.batch_size * options.gradient_accumulation_steps).max(1) as u64;
        let epochs = (options.num_train_epochs * steps_per_epoch as f64).ceil() as u64;
        let total_steps = match options.max_steps {
            0 => epochs.max(options.min_steps.unwrap_or(min_steps)).max(1),
            exactly => exactly,
        };
        let eval_every = if options.eval_steps == 0 { steps_per_epoch } else { options.eval_steps };
        Plan { total_steps, until: total_steps, eval_every }
    }
}

impl Job<'_> {
    /// What a row's answer is, as in the file.
    pub(super) fn output(&self, row: usize) -> &str {
        let number = self.examples.row_numbers[row];
        let rows = self.dataset.rows();
        rows.binary_search_by_key(&number, |row| row.number).map_or("", |at| rows[at].output.as_str())
    }
}
