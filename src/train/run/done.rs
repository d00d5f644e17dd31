//! How far a run came, and why it went no further.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Steps in a row whose loss or gradient is not finite, after which a run is given up.
pub(crate) const MAX_BAD_STEPS: u32 = 3;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Completed,
    EarlyStopping,
    Cancelled,
    Failed,
}

impl StopReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            StopReason::Completed => "completed",
            StopReason::EarlyStopping => "early_stopping",
            StopReason::Cancelled => "cancelled",
            StopReason::Failed => "failed",
        }
    }

    /// Whether steps are undone that should have been done.
    pub(crate) fn is_premature(self) -> bool {
        matches!(self, StopReason::Cancelled | StopReason::Failed)
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) steps: u64,
    pub(crate) skipped_steps: u64,
    pub(crate) bad_in_a_row: u32,
    pub(crate) tokens: u64,
    pub(crate) trained_tokens: u64,
    pub(crate) training: Duration,
    pub(crate) last_loss: Option<f64>,
    pub(crate) base_validation_loss: Option<f64>,
    pub(crate) last_validation_loss: Option<f64>,
    /// Steps and their losses as the bits of an f64: decimal text need not come back as the same number.
    pub(crate) validations: Vec<(u64, u64)>,
}

impl Done {
    /// Steps and the validation losses after them.
    pub(crate) fn validation_losses(&self) -> impl Iterator<Item = (u64, f64)> {
        self.validations.iter().map(|&(step, loss)| (step, f64::from_bits(loss)))
    }

    /// Whether these are numbers that computing with them cannot carry beyond their types.
    pub(crate) fn is_plausible(&self) -> bool {
        let counts = [self.skipped_steps, self.tokens, self.trained_tokens, self.training.as_secs()];
        counts.iter().all(|&count| count < 1 << 60) && self.bad_in_a_row < MAX_BAD_STEPS
    }

    /// Counts the work of another run as this one's; steps are not added up.
    pub(crate) fn add_work_of(&mut self, other: &Done) {
        self.skipped_steps += other.skipped_steps;
        self.tokens += other.tokens;
        self.trained_tokens += other.trained_tokens;
        self.training += other.training;
    }
}
