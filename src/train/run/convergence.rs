//! Whether a training ended too soon: its validation loss was still falling.
//!
//! A schedule that ends at a rate of zero flattens any curve, so the last step alone says little. What counts is the fall
//! over the last tenth of the steps, or over the last validation where that is longer, against noise: twice the largest
//! rise between two validations in the second half, and in any case a hundredth of the loss or two thousandths of a nat.

use crate::train::record::Notes;

/// A note if the loss was still falling at the last validation; `curve` has the steps and their losses.
pub(crate) fn still_falling(base: Option<f64>, curve: &[(u64, f64)]) -> Notes {
    let mut notes = Notes::default();
    if let Some(((from_step, from), (step, loss))) = last_fall(&points(base, curve)) {
        notes.say(format!(
            "the validation loss was still falling when training ended, from {from:.3} to {loss:.3} over the last {} \
             steps: with more steps (num_train_epochs or max_steps) the rows may be learnt better",
            step - from_step
        ));
    }
    notes
}

/// Whether that note would be made.
pub(crate) fn is_falling(base: Option<f64>, curve: &[(u64, f64)]) -> bool {
    last_fall(&points(base, curve)).is_some()
}

fn points(base: Option<f64>, curve: &[(u64, f64)]) -> Vec<(u64, f64)> {
    base.map(|loss| (0, loss)).into_iter().chain(curve.iter().copied()).collect()
}

/// The points between which the curve fell at its end, if it did.
fn last_fall(points: &[(u64, f64)]) -> Option<((u64, f64), (u64, f64))> {
    let (&(step, loss), before) = points.split_last()?;
    let &from = before.iter().rev().find(|point| point.0 <= step - step / 10).or(before.first())?;
    let lowest = before.iter().all(|point| loss < point.1);
    let late = &points[points.len() / 2..];
    let rise = late.windows(2).map(|pair| pair[1].1 - pair[0].1).fold(0.0, f64::max);
    let noise = (2.0 * rise).max(loss / 100.0).max(2e-3);
    (lowest && from.1 - loss > noise).then_some((from, (step, loss)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn falls(losses: &[f64]) -> bool {
        let curve: Vec<(u64, f64)> = (1u64..).map(|epoch| epoch * 14).zip(losses.iter().copied()).collect();
        !still_falling(Some(3.2), &curve).sentences().is_empty()
    }

    /// A loss that decays by `rate` an epoch to `floor`, with a wobble.
    fn decay(epochs: u32, rate: f64, floor: f64, wobble: f64) -> Vec<f64> {
        let wave = |epoch: u32| wobble * f64::from(epoch * 7 % 5) / 5.0;
        (1..=epochs).map(|epoch| floor + 3.0 * (-rate * f64::from(epoch)).exp() + wave(epoch)).collect()
    }

    #[test]
    fn curves_that_fall_to_their_end_are_told_from_those_that_have_settled() {
        assert!(falls(&decay(3, 0.4, 0.1, 0.0)), "a steep curve cut short");
        assert!(falls(&decay(6, 0.4, 0.1, 0.0)));
        assert!(falls(&[1.36, 0.604, 0.281, 0.209, 0.143, 0.138]), "flattened by the schedule alone");
        assert!(falls(&[1.5]), "a single epoch");
        assert!(falls(&[1.90, 1.85, 1.80]), "a large model in three epochs");
        assert!(!falls(&decay(40, 0.4, 0.1, 0.0)), "settled");
        assert!(!falls(&[0.079, 0.052, 0.048, 0.041, 0.0395, 0.0390, 0.0386]), "the sample's own curve, to its end");
        assert!(!falls(&decay(40, 0.4, 0.1, 0.02)), "settled, and the lowest by chance");
        assert!(!falls(&[1.4, 0.6, 0.3, 0.2, 0.21]), "rising");
        assert!(!falls(&[1.0, 0.52, 0.49, 0.53, 0.48]), "a drop no larger than the rise before");
        assert!(!falls(&[1.0, 0.5, 0.50, 0.499]), "less than a hundredth");
        assert!(!falls(&[0.1, 0.01, 0.0011, 0.0004]), "less than two thousandths of a nat");
        assert!(!falls(&[f64::NAN, f64::NAN]) && !falls(&[1.0, f64::NAN]) && !falls(&[]));
    }

    #[test]
    fn frequent_validations_are_seen_together() {
        let every_step: Vec<(u64, f64)> = (1..=200).map(|step| (step, 3.0 - 0.01 * step as f64)).collect();
        let notes = still_falling(None, &every_step).sentences();
        assert!(notes[0].contains("from 1.200 to 1.000 over the last 20 steps"), "{notes:?}");
    }
}
