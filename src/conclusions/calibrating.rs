//! Calibration: from conclusions that are known to be right or wrong to the share that is right of those with such
//! signals.
//!
//! Two ways are tried, logistic regression and isotonic regression over its sum, and the one with the lower Brier score on
//! rows that it was not fitted to is kept.

use super::fit::Logistic;
use super::isotonic;
use super::reliability::{Tally, wilson};
use crate::adapter::calibration::{Band, Calibration, Signals};

/// Parts of the rows that are held out in turn to compare the two ways.
pub(super) const PARTS: usize = 5;
/// Steps of a curve at most: more would follow chance.
const STEPS: usize = 16;
/// Where bands begin.
const BANDS: [(&str, f64); 3] = [("low", 0.0), ("medium", 0.5), ("high", 0.8)];

/// A conclusion of which it is known whether it is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Labelled {
    /// Conclusions of one row are held out together.
    pub(crate) row: usize,
    /// Its place among the row's conclusions.
    pub(crate) place: usize,
    pub(crate) signals: Signals,
    pub(crate) right: bool,
}

/// One of the two ways, fitted.
enum Curve {
    Logistic(Logistic),
    Isotonic(Logistic, Vec<[f64; 2]>),
}

impl Curve {
    fn parts(self) -> (Logistic, Vec<[f64; 2]>) {
        match self {
            Curve::Logistic(logistic) => (logistic, Vec::new()),
            Curve::Isotonic(logistic, knots) => (logistic, knots),
        }
    }
}

fn logistic(labelled: &[Labelled]) -> Curve {
    let rows: Vec<_> = labelled.iter().map(|one| (one.signals.features(), one.right)).collect();
    Curve::Logistic(Logistic::fit(&rows))
}

fn isotonic(labelled: &[Labelled]) -> Curve {
    let (logistic, _) = logistic(labelled).parts();
    let points: Vec<_> = labelled.iter().map(|one| (logistic.sum(one.signals.features()), one.right)).collect();
    Curve::Isotonic(logistic, isotonic::curve(&points, STEPS))
}

/// Calibrates on conclusions of rows that the model had not seen; `None` without any.
pub(crate) fn calibrate(labelled: &[Labelled]) -> Option<Calibration> {
    if labelled.is_empty() {
        return None;
    }
    let ways: [fn(&[Labelled]) -> Curve; 2] = [logistic, isotonic];
    let tallies = ways.map(|way| out_of_fit(labelled, way));
    let better = usize::from(tallies[1].brier() < tallies[0].brier());
    let tally = &tallies[better];
    let mut rows: Vec<usize> = labelled.iter().map(|one| one.row).collect();
    rows.sort_unstable();
    rows.dedup();
    let right = labelled.iter().filter(|one| one.right).count();
    let made = whole(ways[better](labelled), [rows.len(), labelled.len(), right], tally);
    Some(made)
}

fn whole(curve: Curve, [rows, conclusions, right]: [usize; 3], tally: &Tally) -> Calibration {
    let (logistic, knots) = curve.parts();
    let fitted = (logistic.weights, logistic.intercept);
    Calibration::new(rows, [conclusions, right], fitted, knots, bands(tally), tally.reliability())
}

/// The confidence of each conclusion by a curve that its row did not go into.
fn out_of_fit(labelled: &[Labelled], way: fn(&[Labelled]) -> Curve) -> Tally {
    let mut rows: Vec<usize> = labelled.iter().map(|one| one.row).collect();
    rows.sort_unstable();
    rows.dedup();
    let part = |row: usize| rows.binary_search(&row).unwrap_or_default() % PARTS;
    let mut tally = Tally::default();
    for held_out in 0..PARTS.min(rows.len()) {
        let (out, others): (Vec<Labelled>, Vec<Labelled>) = labelled.iter().partition(|one| part(one.row) == held_out);
        let made = whole(way(&others), [0, 0, 0], &Tally::default());
        tally.0.extend(out.iter().map(|one| (made.confidence(one.signals), one.right)));
    }
    tally
}

/// What was right among the conclusions of each band, one right and one wrong added to each.
pub(super) fn bands(tally: &Tally) -> Vec<Band> {
    let ends = BANDS.iter().skip(1).map(|band| band.1).chain([f64::INFINITY]);
    let band = |((name, from), end): (&(&str, f64), f64)| {
        let inside = tally.0.iter().filter(|(confidence, _)| (*from..end).contains(confidence));
        let (all, right) = inside.fold((0, 0), |(all, right), one| (all + 1, right + usize::from(one.1)));
        let share = (right as f64 + 1.0) / (all as f64 + 2.0);
        Band { name: (*name).to_owned(), from: *from, share, interval: wilson(right, all) }
    };
    BANDS.iter().zip(ends).map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Conclusions of a model that is too sure of itself: those it gives p are right with `truth(p)`.
    fn labelled(count: usize, seed: u64, truth: impl Fn(f64) -> f64) -> Vec<Labelled> {
        let mut rng = StdRng::seed_from_u64(seed);
        let one = |at: usize| {
            let p: f64 = rng.random_range(0.05..1.0);
            let signals = Signals { logprob: p.ln(), weakest: p.ln(), agreement: (p * 4.0).round() / 4.0 };
            Labelled { row: at / 5, place: at % 5, signals, right: rng.random::<f64>() < truth(p) }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn confidences_become_shares_that_are_right() {
        let truths: [fn(f64) -> f64; 3] = [|p| p * p, |p| 0.6 + 0.3 * p, |p| if p < 0.5 { 0.1 } else { 0.9 }];
        for (seed, truth) in truths.into_iter().enumerate() {
            let made = calibrate(&labelled(1500, seed as u64, truth)).unwrap();
            made.check().unwrap();
            assert!(made.is_enough() && made.reliability.ece < 0.06, "{made:?}");
            let fresh = labelled(4000, 77 + seed as u64, truth);
            let tally = Tally(fresh.iter().map(|one| (made.confidence(one.signals), one.right)).collect());
            let found = tally.reliability();
            assert!(found.ece < 0.05, "{seed}: {found:?}");
            let raw = Tally(fresh.iter().map(|one| (one.signals.probability(), one.right)).collect()).reliability();
            assert!(raw.ece > 2.0 * found.ece, "what is not calibrated is not right as often: {raw:?}");
        }
    }

    #[test]
    fn a_handful_of_conclusions_gives_bands_with_wide_intervals() {
        let made = calibrate(&labelled(30, 5, |p| p)).unwrap();
        made.check().unwrap();
        assert!(!made.is_enough());
        assert_eq!(made.bands.iter().map(|band| band.name.as_str()).collect::<Vec<_>>(), ["low", "medium", "high"]);
        for band in &made.bands {
            assert!(
                band.interval[0] <= band.share
                    && band.share <= band.interval[1]
                    && band.interval[1] - band.interval[0] > 0.15
            );
        }
        assert!(calibrate(&[]).is_none());
        assert_eq!(calibrate(&labelled(1, 1, |p| p)).unwrap().conclusions, 1);
    }
}
