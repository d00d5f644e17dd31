//! Keeps the best weights seen, and says when waiting for better ones is over.

use crate::model::{LoraStack, LoraWeights, Site};

/// The weights of one moment of a run.
pub(crate) struct Snapshot {
    pub(crate) step: u64,
    /// Mean loss per trained token of the validation rows; `None` without validation rows.
    pub(crate) validation_loss: Option<f64>,
    pub(crate) weights: Vec<(Site, LoraWeights)>,
}

impl Snapshot {
    /// The weights, ready for a forward pass.
    pub(crate) fn stack(&self) -> LoraStack {
        let mut stack = LoraStack::none();
        for (site, weights) in &self.weights {
            stack.push(*site, weights.clone());
        }
        stack
    }
}

/// Early stopping on the validation loss.
pub(crate) struct EarlyStopping {
    patience: u32,
    without_progress: u32,
    best: Option<Snapshot>,
}

impl EarlyStopping {
    /// `patience` validations without a better loss end the run; 0 never does.
    pub(crate) fn new(patience: u32) -> Self {
        EarlyStopping { patience, without_progress: 0, best: None }
    }

    /// Takes note of a validation; `true` if the run should end.
    pub(crate) fn observe(&mut self, snapshot: Snapshot) -> bool {
        let loss = snapshot.validation_loss.unwrap_or(f64::INFINITY);
        let best = self.best.as_ref().and_then(|best| best.validation_loss).unwrap_or(f64::INFINITY);
        if self.best.is_none() || loss < best {
            self.best = Some(snapshot);
            self.without_progress = 0;
        } else {
            self.without_progress += 1;
        }
        self.is_over()
    }

    /// Whether waiting for a better loss is over.
    pub(crate) fn is_over(&self) -> bool {
        self.patience > 0 && self.without_progress >= self.patience
    }

    /// What a checkpoint keeps: validations since the best, and the best itself.
    pub(crate) fn state(&self) -> (u32, Option<&Snapshot>) {
        (self.without_progress, self.best.as_ref())
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restore(&mut self, without_progress: u32, best: Option<Snapshot>) {
        (self.without_progress, self.best) = (without_progress, best);
    }

    /// The best snapshot, if any validation was made.
    pub(crate) fn into_best(self) -> Option<Snapshot> {
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
        assert!(stopping.is_over());
        assert_eq!(stopping.into_best().map(|best| (best.step, best.validation_loss)), Some((4, Some(1.9))));
    }

    #[test]
    fn no_patience_never_ends_a_run() {
        let mut stopping = EarlyStopping::new(0);
        assert!((1..50).all(|step| !stopping.observe(at(step, step as f64))));
    }
}
