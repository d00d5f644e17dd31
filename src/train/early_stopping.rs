//! Keeps the best weights seen, and says when waiting for better ones is over.

use crate::model::{LoraWeights, Site};

/// The weights of one moment of a run.
pub(super) struct Snapshot {
    pub(super) step: u64,
    /// Mean loss per trained token of the validation rows; `None` without validation rows.
    pub(super) validation_loss: Option<f64>,
    pub(super) weights: Vec<(Site, LoraWeights)>,
}

/// Early stopping on the validation loss.
pub(super) struct EarlyStopping {
    patience: u32,
    without_progress: u32,
    best: Option<Snapshot>,
}

impl EarlyStopping {
    /// `patience` validations without a better loss end the run; 0 never does.
    pub(super) fn new(patience: u32) -> Self {
        EarlyStopping { patience, without_progress: 0, best: None }
    }

    /// Takes note of a validation; `true` if the run should end.
    pub(super) fn observe(&mut self, snapshot: Snapshot) -> bool {
        let loss = snapshot.validation_loss.unwrap_or(f64::INFINITY);
        let best = self.best.as_ref().and_then(|best| best.validation_loss).unwrap_or(f64::INFINITY);
        if self.best.is_none() || loss < best {
            self.best = Some(snapshot);
            self.without_progress = 0;
        } else {
            self.without_progress += 1;
        }
        self.patience > 0 && self.without_progress >= self.patience
    }

    /// What a checkpoint keeps: validations since the best, and the best itself.
    pub(super) fn state(&self) -> (u32, Option<&Snapshot>) {
        (self.without_progress, self.best.as_ref())
    }

    /// Goes on from a checkpoint.
    pub(super) fn restore(&mut self, without_progress: u32, best: Option<Snapshot>) {
        (self.without_progress, self.best) = (without_progress, best);
    }

    /// The best validation loss so far.
    pub(super) fn best_loss(&self) -> Option<f64> {
        self.best.as_ref().and_then(|best| best.validation_loss)
    }

    /// The best snapshot, if any validation was made.
    pub(super) fn into_best(self) -> Option<Snapshot> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64, loss: f64) -> Snapshot {
        Snapshot { step, validation_loss: Some(loss), weights: Vec::new() }
    }

    #[test]
    fn the_best_is_kept_and_patience_counts_from_it() {
        let mut stopping = EarlyStopping::new(2);
        let ends: Vec<bool> = [(1, 3.0), (2, 2.0), (3, 2.5), (4, 1.9), (5, 1.9), (6, f64::NAN)]
            .map(|(s, l)| stopping.observe(at(s, l)))
            .into();
        assert_eq!(ends, [false, false, false, false, false, true]);
        assert_eq!(stopping.best_loss(), Some(1.9));
        assert_eq!(stopping.into_best().map(|best| best.step), Some(4));
    }

    #[test]
    fn no_patience_never_ends_a_run() {
        let mut stopping = EarlyStopping::new(0);
        assert!((1..50).all(|step| !stopping.observe(at(step, step as f64))));
    }
}
