//! In which step and which micro-batch each row is: training asks here, and so does every estimate of it.

use crate::train::options::TrainOptions;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::slice::Chunks;

/// The rows of a run, dealt out to steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MicroBatches<'a> {
    rows: &'a [usize],
    options: &'a TrainOptions,
}

impl<'a> MicroBatches<'a> {
    pub(crate) fn new(rows: &'a [usize], options: &'a TrainOptions) -> Self {
        MicroBatches { rows, options }
    }

    /// Optimizer steps in which each row comes once; the last may have fewer rows.
    pub(crate) fn steps_per_epoch(&self) -> u64 {
        steps_per_epoch(self.rows.len(), self.options)
    }

    /// The steps of the epoch 0, 1, …
    pub(crate) fn epoch(&self, epoch: u64) -> Epoch {
        let order = epoch_order(self.rows, self.options.seed, epoch);
        Epoch { order, rows_per_step: rows_per_step(self.options), batch_size: self.options.batch_size }
    }
}

/// The rows of an epoch in the order in which they come.
pub(crate) struct Epoch {
    order: Vec<usize>,
    rows_per_step: usize,
    batch_size: usize,
}

impl Epoch {
    /// The micro-batches of each step.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Chunks<'_, usize>> {
        self.order.chunks(self.rows_per_step).map(|step| step.chunks(self.batch_size))
    }
}

/// Optimizer steps of an epoch of so many rows.
pub(crate) fn steps_per_epoch(rows: usize, options: &TrainOptions) -> u64 {
    rows.div_ceil(rows_per_step(options)).max(1) as u64
}

fn rows_per_step(options: &TrainOptions) -> usize {
    options.batch_size * options.gradient_accumulation_steps
}

/// The row order of one epoch: a function of the seed and the epoch alone, so that a resumed run sees the same.
fn epoch_order(rows: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
    let mut order = rows.to_vec();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ epoch.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_different_permutations_that_repeat() {
        let rows: Vec<usize> = (0..20).collect();
        let (first, second) = (epoch_order(&rows, 1, 0), epoch_order(&rows, 1, 1));
        assert_ne!(first, second);
        assert_eq!(first, epoch_order(&rows, 1, 0));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }

    #[test]
    fn steps_hold_every_row_once_in_micro_batches() {
        let rows: Vec<usize> = (10..33).collect();
        let options = TrainOptions { batch_size: 3, gradient_accumulation_steps: 2, ..Default::default() };
        let dealt = MicroBatches::new(&rows, &options);
        let epoch = dealt.epoch(2);
        let steps: Vec<Vec<usize>> = epoch.steps().map(|step| step.map(<[usize]>::len).collect()).collect();
        assert_eq!(steps, [vec![3, 3], vec![3, 3], vec![3, 3], vec![3, 2]]);
        assert_eq!(dealt.steps_per_epoch(), 4);
        let mut all: Vec<usize> = epoch.steps().flatten().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert_eq!(MicroBatches::new(&[], &options).steps_per_epoch(), 1);
    }
}
