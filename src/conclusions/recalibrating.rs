//! Calibration once more, by what reviewers made of conclusions: of each it is known what confidence it was given, and
//! whether it was left as it was.
//!
//! The curve that is there is kept and bent: the log-odds of a confidence c become slope · log-odds(c) + offset (Platt's
//! scaling, of confidences). A few reviews bend it little, since the slope is drawn to 1 and the offset to 0.

use super::calibrating::{PARTS, bands};
use super::reliability::Tally;
use crate::adapter::calibration::{Calibration, Reliability};

/// What a slope and an offset that are not 1 and 0 cost, as a weight of their squared distance: the curve that is there is
/// believed about as much as fifty reviews.
const RIDGE: f64 = 10.0;
const NEWTON_STEPS: usize = 50;
/// Confidences nearer to 0 and 1 count as this near: one that was wrong there would outweigh all others.
const EDGE: f64 = 1e-3;
/// Points of the curve of an adapter that has none: from the model's own log-probability to its probability.
const POINTS: u32 = 40;
/// Conclusions of a bin that a manifest may claim, at most.
const MOST_OF_BIN: usize = 10_000;

/// A conclusion on which a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reviewed {
    /// Conclusions of one report are held out together.
    pub(crate) case: usize,
    /// What the report gave it.
    pub(crate) confidence: f64,
    /// Whether it was left as it was.
    pub(crate) kept: bool,
}

/// A calibration that reviews went into, and how well the confidences before agreed with them.
pub(crate) struct Recalibrated {
    pub(crate) calibration: Calibration,
    pub(crate) before: Reliability,
}

/// Calibrates by reviews; without an `old` one, from the model's own probabilities. `None` without any review.
pub(crate) fn recalibrate(old: Option<&Calibration>, reviewed: &[Reviewed]) -> Option<Recalibrated> {
    if reviewed.is_empty() {
        return None;
    }
    let (before, after) =
        (Tally(reviewed.iter().map(|one| (one.confidence, one.kept)).collect()), out_of_fit(reviewed));
    let line = Line::fit(reviewed);
    let own = own();
    let old = old.unwrap_or(&own);
    let mut all = after.clone();
    for bin in &old.reliability.bins {
        let count = bin.count.min(MOST_OF_BIN);
        let right = (bin.right * count as f64).round() as usize;
        all.0.extend((0..count).map(|at| (line.of(bin.confidence), at < right)));
    }
    let mut cases: Vec<usize> = reviewed.iter().map(|one| one.case).collect();
    cases.dedup();
    let kept = reviewed.iter().filter(|one| one.kept).count();
    let counts = [old.conclusions.saturating_add(reviewed.len()), old.right.saturating_add(kept)];
    let curve: Vec<[f64; 2]> = old.curve.iter().map(|[x, y]| [*x, line.of(*y)]).collect();
    let fitted = match curve.is_empty() {
        true => (old.weights.map(|weight| weight * line.slope), old.intercept * line.slope + line.offset),
        false => (old.weights, old.intercept),
    };
    let rows = old.rows.saturating_add(cases.len());
    let calibration = Calibration::new(rows, counts, fitted, curve, bands(&all), after.reliability());
    Some(Recalibrated { calibration, before: before.reliability() })
}

/// The calibration that changes nothing: the model's own probabilities.
fn own() -> Calibration {
    let point = |at: u32| {
        // Close together where probabilities are high.
        let logprob = -10.0 * (f64::from(POINTS - at) / f64::from(POINTS)).powi(2);
        [logprob, logprob.exp()]
    };
    let curve = (0..=POINTS).map(point).collect();
    let nothing = Tally::default();
    Calibration::new(0, [0, 0], ([1.0, 0.0, 0.0], 0.0), curve, bands(&nothing), nothing.reliability())
}

/// The confidence of each conclusion by a line that its case did not go into.
fn out_of_fit(reviewed: &[Reviewed]) -> Tally {
    let mut tally = Tally::default();
    for held_out in 0..PARTS {
        let (out, others): (Vec<Reviewed>, Vec<Reviewed>) =
            reviewed.iter().partition(|one| one.case % PARTS == held_out);
        let line = Line::fit(&others);
        tally.0.extend(out.iter().map(|one| (line.of(one.confidence), one.kept)));
    }
    tally
}

/// From the log-odds of a confidence to those of the share that is kept.
#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    offset: f64,
}

fn log_odds(share: f64) -> f64 {
    let share = share.clamp(EDGE, 1.0 - EDGE);
    (share / (1.0 - share)).ln()
}

impl Line {
    /// Newton's method. More confidence never means less: the slope is not negative.
    fn fit(reviewed: &[Reviewed]) -> Self {
        let mut line = Line { slope: 1.0, offset: 0.0 };
        for _ in 0..NEWTON_STEPS {
            let (mut slope, mut offset) = (RIDGE * (line.slope - 1.0), RIDGE * line.offset);
            let (mut a, mut b, mut d) = (RIDGE, 0.0, RIDGE);
            for one in reviewed {
                let x = log_odds(one.confidence);
                let p = line.at(x);
                let error = p - f64::from(u8::from(one.kept));
                let weight = (p * (1.0 - p)).max(1e-6);
                slope += error * x;
                offset += error;
                a += weight * x * x;
                b += weight * x;
                d += weight;
            }
            // At least RIDGE², since both terms of the ridge are in it.
            let determinant = a * d - b * b;
            let step = [(d * slope - b * offset) / determinant, (a * offset - b * slope) / determinant];
            // A long step could overshoot where the curve is flat.
            let length = step[0].abs().max(step[1].abs());
            let shorten = (1.0 / length.max(1e-12)).min(1.0);
            line = Line { slope: line.slope - shorten * step[0], offset: line.offset - shorten * step[1] };
            if length < 1e-9 {
                break;
            }
        }
        Line { slope: line.slope.max(0.0), ..line }
    }

    fn at(self, log_odds: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * log_odds + self.offset)).exp())
    }

    fn of(self, confidence: f64) -> f64 {
        self.at(log_odds(confidence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::calibration::Signals;
    use crate::adapter::calibration::tests::calibration;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn signals(logprob: f64) -> Signals {
        Signals { logprob, weakest: logprob, agreement: 0.5 }
    }

    /// Conclusions whose confidence is that of `by`, kept as often as `truth` says of it.
    fn reviews(count: usize, by: &Calibration, truth: impl Fn(f64) -> f64) -> Vec<Reviewed> {
        let mut rng = StdRng::seed_from_u64(11);
        let one = |at: usize| {
            let confidence = by.confidence(signals(-rng.random_range(0.0..4.0)));
            Reviewed { case: at / 3, confidence, kept: rng.random::<f64>() < truth(confidence) }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn confidences_become_shares_that_reviewers_left() {
        let isotonic = Calibration { curve: vec![[-4.0, 0.2], [-1.0, 0.5], [1.5, 0.9]], ..calibration(120) };
        for old in [calibration(120), isotonic, own()] {
            // Reviewers are stricter than the training rows were.
            let truth = |c: f64| c * c;
            let made = recalibrate(Some(&old), &reviews(3000, &old, truth)).unwrap();
            made.calibration.check().unwrap();
            let gap = |of: &Calibration| {
                let at = |step: u32| -4.0 * f64::from(step) / 20.0;
                let gaps = (0..=20)
                    .map(|step| (of.confidence(signals(at(step))) - truth(old.confidence(signals(at(step))))).abs());
                gaps.sum::<f64>() / 21.0
            };
            assert!(
                gap(&made.calibration) < 0.05 && gap(&old) > 2.0 * gap(&made.calibration),
                "{}",
                gap(&made.calibration)
            );
            assert!(made.calibration.reliability.ece < 0.05 && made.before.ece > 0.08, "{:?}", made.before);
            assert!(made.calibration.is_enough() && made.calibration.conclusions == old.conclusions + 3000);
        }
    }

    #[test]
    fn a_few_reviews_change_little_and_none_nothing() {
        let old = calibration(120);
        assert!(recalibrate(Some(&old), &[]).is_none());
        let one = Reviewed { case: 0, confidence: 0.9, kept: false };
        let made = recalibrate(Some(&old), &[one]).unwrap().calibration;
        made.check().unwrap();
        let change = old.confidence(signals(-0.5)) - made.confidence(signals(-0.5));
        assert!(change > 0.0 && change < 0.1, "{change}");
        // The model's own probabilities stay what they are where reviewers agree with them.
        assert!((own().confidence(signals(-0.3)) - (-0.3f64).exp()).abs() < 0.01);
        for extreme in [
            vec![Reviewed { case: 0, confidence: 0.0, kept: true }; 400],
            vec![Reviewed { case: 1, confidence: 1.0, kept: false }; 400],
        ] {
            recalibrate(None, &extreme).unwrap().calibration.check().unwrap();
        }
    }
}
