//! What a training is made of: what is trained on what, in which runs, and how long each is.

use super::memorisation::{Asked, Probe};
use super::memory::MemoryEstimate;
use super::options::TrainOptions;
use crate::dataset::{Dataset, Examples};
use crate::language_model::LanguageModel;
use crate::model::LoraStack;
use std::time::Instant;

/// What is trained on what, and how.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) dataset: &'a Dataset,
    pub(super) options: &'a TrainOptions,
    pub(super) examples: &'a Examples,
    pub(super) memory: MemoryEstimate,
    /// Layers are run again in place of keeping their activations.
    pub(super) checkpointing: bool,
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

impl<'a> Job<'a> {
    /// What a row's answer is, as in the file.
    fn output(&self, row: usize) -> &'a str {
        self.dataset.output(self.examples.row_numbers[row])
    }

    /// Asks `asked` rows of an adapter that was trained on `trained`.
    pub(super) fn probe(
        &self,
        lora: LoraStack,
        asked: &[usize],
        trained: &[usize],
        note: Option<&'static str>,
    ) -> Probe<'a> {
        let ask = |&row: &usize| {
            let example = &self.examples.rows[row];
            Asked { prompt: &example.ids[..example.prompt_len], output: self.output(row), row: Some(row) }
        };
        Probe {
            lora,
            asked: asked.iter().map(ask).collect(),
            trained: trained.iter().map(|&row| (row, self.output(row))).collect(),
            note,
        }
    }
}
