//! What training learnt about the adapter's own reliability: how sure the model's signals must be for a conclusion to be
//! right as often as the confidence says.
//!
//! It belongs to the adapter as trained, alone and at scale 1, on its own base: anything else writes other conclusions.

use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// With fewer labelled conclusions a number would claim more than is known: a band with its interval is said instead.
pub(crate) const ENOUGH: usize = 100;
/// Knots of the curve, bands and bins that a manifest may hold.
const MAX_POINTS: usize = 64;
const VERSION: u32 = 1;

/// How sure the model was of a conclusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Signals {
    /// Sum of the log-probabilities of its deciding tokens, in nats.
    pub(crate) logprob: f64,
    /// The least of them.
    pub(crate) weakest: f64,
    /// Share of the sampled variants that say the same.
    pub(crate) agreement: f64,
}

impl Signals {
    /// The probability that the model itself gives the conclusion: what is reported without a calibration.
    pub(crate) fn probability(self) -> f64 {
        self.logprob.exp().clamp(0.0, 1.0)
    }

    /// The signals as a regression takes them. Below e⁻¹⁰, less is no less likely.
    pub(crate) fn features(self) -> [f64; 3] {
        [self.logprob.max(-10.0), self.weakest.max(-10.0), self.agreement]
    }
}

/// Conclusions of training rows that a model without those rows wrote, and how many of them were right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    /// Of this form: 1.
    pub(crate) version: u32,
    /// Rows whose conclusions were looked at.
    pub(crate) rows: usize,
    /// Conclusions, and how many of them the row's own output has.
    pub(crate) conclusions: usize,
    pub(crate) right: usize,
    /// Weights of the signals, and what is added to their sum.
    pub(crate) weights: [f64; 3],
    pub(crate) intercept: f64,
    /// From the sum to the share that is right, straight lines between its knots; without knots the logistic function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<[f64; 2]>,
    /// From low to high.
    pub(crate) bands: Vec<Band>,
    /// Of confidences that no look at the row itself went into.
    pub(crate) reliability: Reliability,
}

/// Conclusions of about the same confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Band {
    pub(crate) name: String,
    /// The least confidence in it.
    pub(crate) from: f64,
    /// Share that was right, and the 95 % interval in which the true share lies.
    pub(crate) share: f64,
    pub(crate) interval: [f64; 2],
}

/// How well confidences agree with what was right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reliability {
    /// Expected calibration error over ten bins of equal width.
    pub(crate) ece: f64,
    /// Mean squared error.
    pub(crate) brier: f64,
    /// Probability that a right conclusion has more confidence than a wrong one; null where all are right, or all wrong.
    pub(crate) auc: Option<f64>,
    /// Of each bin with conclusions: their number, mean confidence and the share that was right.
    pub(crate) bins: Vec<Bin>,
}

/// See [`Reliability::bins`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bin {
    pub(crate) count: usize,
    pub(crate) confidence: f64,
    pub(crate) right: f64,
}

impl Calibration {
    pub(crate) fn new(
        rows: usize,
        [conclusions, right]: [usize; 2],
        (weights, intercept): ([f64; 3], f64),
        curve: Vec<[f64; 2]>,
        bands: Vec<Band>,
        reliability: Reliability,
    ) -> Self {
        let weights = weights.map(rounded);
        let curve = curve.into_iter().map(|point| point.map(rounded)).collect();
        let bands = bands.into_iter().map(Band::rounded).collect();
        let (intercept, reliability) = (rounded(intercept), reliability.rounded());
        Calibration { version: VERSION, rows, conclusions, right, weights, intercept, curve, bands, reliability }
    }

    /// The share of conclusions with such signals that is right.
    pub(crate) fn confidence(&self, signals: Signals) -> f64 {
        let sum = self.weights.iter().zip(signals.features()).map(|(weight, feature)| weight * feature).sum::<f64>();
        let sum = sum + self.intercept;
        match self.curve.is_empty() {
            true => 1.0 / (1.0 + (-sum).exp()),
            false => on_curve(&self.curve, sum),
        }
    }

    /// Whether there were enough conclusions for a number.
    pub(crate) fn is_enough(&self) -> bool {
        self.conclusions >= ENOUGH
    }

    /// The band of a confidence.
    pub(crate) fn band(&self, confidence: f64) -> Option<&Band> {
        self.bands.iter().rev().find(|band| confidence >= band.from).or(self.bands.first())
    }

    /// Refuses what no training writes: a manifest is a file that anybody can edit.
    pub(crate) fn check(&self) -> Result<()> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let rises =
            |points: &[[f64; 2]]| points.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]);
        let fault = if self.version != VERSION {
            "another version"
        } else if self.curve.len().max(self.bands.len()).max(self.reliability.bins.len()) > MAX_POINTS {
            "too many points"
        } else if self.bands.is_empty() || self.right > self.conclusions {
            "no bands, or more right conclusions than conclusions"
        } else if !self.weights.iter().chain([&self.intercept]).all(|weight| weight.is_finite()) {
            "weights that are not finite"
        } else if !self.curve.iter().all(|[x, y]| x.is_finite() && share(*y)) || !rises(&self.curve) {
            "a curve that does not rise from 0 to 1"
        } else if !self
            .bands
            .iter()
            .all(|band| share(band.from) && share(band.share) && band.interval.iter().all(|&end| share(end)))
        {
            "bands that are not shares"
        } else {
            return Ok(());
        };
        Err(Error::new(
            Code::AdapterFormat,
            format!("the adapter's calibration has {fault}; expected what training writes"),
        ))
    }
}

impl Band {
    fn rounded(self) -> Self {
        Band { share: rounded(self.share), interval: self.interval.map(rounded), ..self }
    }
}

impl Reliability {
    fn rounded(self) -> Self {
        let bin = |bin: Bin| Bin { confidence: rounded(bin.confidence), right: rounded(bin.right), ..bin };
        let bins = self.bins.into_iter().map(bin).collect();
        Reliability { ece: rounded(self.ece), brier: rounded(self.brier), auc: self.auc.map(rounded), bins }
    }
}

/// To nine decimals, which come back from JSON as the same number.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn on_curve(curve: &[[f64; 2]], at: f64) -> f64 {
    let next = curve.partition_point(|[x, _]| *x < at);
    let (Some(&[x1, y1]), Some(&[x0, y0])) =
        (curve.get(next), next.checked_sub(1).and_then(|before| curve.get(before)))
    else {
        return curve.get(next).or(curve.last()).map_or(0.5, |[_, y]| *y);
    };
    if x1 <= x0 { y1 } else { y0 + (y1 - y0) * (at - x0) / (x1 - x0) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A calibration that knows little, for the tests of others.
    pub(crate) fn calibration(conclusions: usize) -> Calibration {
        let band =
            |name: &str, from| Band { name: name.to_owned(), from, share: from + 0.2, interval: [from, from + 0.3] };
        let bands = vec![band("low", 0.0), band("medium", 0.5), band("high", 0.7)];
        let reliability = Reliability { ece: 0.02, brier: 0.1, auc: Some(0.9), bins: Vec::new() };
        Calibration::new(30, [conclusions, conclusions / 2], ([1.0, 0.0, 2.0], 0.5), Vec::new(), bands, reliability)
    }

    fn signals(logprob: f64) -> Signals {
        Signals { logprob, weakest: logprob, agreement: 0.5 }
    }

    #[test]
    fn a_confidence_is_a_share_that_rises_with_the_signals() {
        let logistic = calibration(120);
        assert!((logistic.confidence(signals(-1.5)) - 0.5).abs() < 1e-12);
        let curve = vec![[-4.0, 0.1], [-1.0, 0.4], [1.0, 0.8]];
        let isotonic = Calibration { weights: [1.0, 0.0, 0.0], intercept: 0.0, curve, ..calibration(120) };
        for (logprob, expected) in [(-9.0, 0.1), (-4.0, 0.1), (-2.5, 0.25), (-1.0, 0.4), (0.0, 0.6)] {
            assert!((isotonic.confidence(signals(logprob)) - expected).abs() < 1e-12, "{logprob}");
        }
        for of in [logistic, isotonic] {
            let all: Vec<f64> = (-40..=0).map(|at| of.confidence(signals(f64::from(at) / 4.0))).collect();
            assert!(all.windows(2).all(|pair| pair[0] <= pair[1]) && all.iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }

    #[test]
    fn bands_are_found_by_confidence() {
        let bands = calibration(60);
        assert!(!bands.is_enough() && calibration(100).is_enough());
        for (confidence, name) in [(0.0, "low"), (0.49, "low"), (0.5, "medium"), (0.7, "high"), (1.0, "high")] {
            assert_eq!(bands.band(confidence).unwrap().name, name);
        }
    }

    #[test]
    fn what_no_training_writes_is_refused() {
        let good = calibration(120);
        good.check().unwrap();
        for (bad, part) in [
            (Calibration { version: 2, ..good.clone() }, "version"),
            (Calibration { intercept: f64::NAN, ..good.clone() }, "finite"),
            (Calibration { curve: vec![[0.0, 0.5], [1.0, 0.4]], ..good.clone() }, "curve"),
            (Calibration { curve: vec![[0.0, 0.5]; 65], ..good.clone() }, "points"),
            (Calibration { bands: Vec::new(), ..good.clone() }, "bands"),
            (Calibration { right: 121, ..good.clone() }, "more right"),
        ] {
            let err = bad.check().unwrap_err();
            assert!(err.code() == Code::AdapterFormat && err.message().contains(part), "{err}");
        }
    }
}
