//! What a training is made of, for all of its runs.

use crate::adapter::TrainedIds;
use crate::dataset::{Dataset, Examples, Row};
use crate::error::Result;
use crate::evaluate::{Asked, Probe};
use crate::language_model::LanguageModel;
use crate::model::LoraStack;
use crate::train::estimate::MemoryEstimate;
use crate::train::options::TrainOptions;
use std::time::Instant;

/// What is trained on what, and how.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) model: &'a LanguageModel,
    pub(crate) dataset: &'a Dataset,
    pub(crate) options: &'a TrainOptions,
    pub(crate) examples: &'a Examples,
    pub(crate) memory: MemoryEstimate,
    pub(crate) started: Instant,
}

impl<'a> Job<'a> {
    /// What a row's answer is, as in the file.
    fn output(&self, row: usize) -> &'a str {
        self.dataset.output(self.examples.row_numbers[row])
    }

    /// The rows that are learnt from, as in the file.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let dataset = self.dataset;
        self.examples.row_numbers.iter().filter_map(move |&number| dataset.row(number))
    }

    /// A row as in the file.
    pub(crate) fn row(&self, row: usize) -> Option<&'a Row> {
        self.dataset.row(self.examples.row_numbers[row])
    }

    /// Whose rows these are, if the dataset says it: those of validation decide the best step, and count.
    pub(crate) fn trained_ids(&self) -> Result<Option<TrainedIds>> {
        let ids = self.examples.row_numbers.iter().map(|&row| self.dataset.id(row));
        ids.collect::<Option<Vec<&str>>>().map(TrainedIds::new).transpose()
    }

    /// Asks `asked` rows of an adapter that was trained on `trained`.
    pub(crate) fn probe(
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
