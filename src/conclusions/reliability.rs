//! How well confidences agree with what was right: ECE, Brier score and AUC.

use crate::adapter::calibration::{Bin, Reliability};

const BINS: usize = 10;

/// Conclusions by their confidence, and whether they were right.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(pub(crate) Vec<(f64, bool)>);

impl Tally {
    /// The figures of Naeini et al. 2015 (ECE, bins of equal width), Brier 1950, and Fawcett 2006 (AUC).
    pub(crate) fn reliability(&self) -> Reliability {
        let mut sums = [(0usize, 0.0, 0usize); BINS];
        for &(confidence, right) in &self.0 {
            let bin = &mut sums[((confidence * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + confidence, bin.2 + usize::from(right));
        }
        let of = |&(count, confidence, right): &(usize, f64, usize)| Bin {
            count,
            confidence: confidence / count as f64,
            right: right as f64 / count as f64,
        };
        let bins: Vec<Bin> = sums.iter().filter(|bin| bin.0 > 0).map(of).collect();
        let all = self.0.len().max(1) as f64;
        let gap = |bin: &Bin| bin.count as f64 / all * (bin.confidence - bin.right).abs();
        Reliability { ece: bins.iter().map(gap).sum(), brier: self.brier(), auc: self.auc(), bins }
    }

    pub(crate) fn brier(&self) -> f64 {
        let error = |&(confidence, right): &(f64, bool)| (confidence - f64::from(u8::from(right))).powi(2);
        self.0.iter().map(error).sum::<f64>() / self.0.len().max(1) as f64
    }

    /// By ranks; equal confidences count half.
    fn auc(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let right = sorted.iter().filter(|(_, right)| *right).count() as f64;
        let wrong = sorted.len() as f64 - right;
        let (mut below, mut won) = (0.0, 0.0);
        for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
            let right_here = ties.iter().filter(|(_, right)| *right).count() as f64;
            let wrong_here = ties.len() as f64 - right_here;
            won += right_here * (below + wrong_here / 2.0);
            below += wrong_here;
        }
        (right > 0.0 && wrong > 0.0).then(|| won / (right * wrong))
    }
}

/// The 95 % interval of a share, of which `found` of `all` were seen (Wilson 1927).
pub(crate) fn wilson(found: usize, all: usize) -> [f64; 2] {
    if all == 0 {
        return [0.0, 1.0];
    }
    const Z: f64 = 1.959_964;
    let (n, p) = (all as f64, found as f64 / all as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [((middle - half) / (1.0 + Z * Z / n)).max(0.0), ((middle + half) / (1.0 + Z * Z / n)).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_tally() {
        let tally = Tally(vec![(0.9, true), (0.9, true), (0.9, false), (0.3, false), (0.3, true), (1.0, true)]);
        let found = tally.reliability();
        // (3·|0.9 − 2/3| + 2·|0.3 − 0.5| + 1·0) / 6, but that 0.9 and 1.0 share a bin.
        let expected = (4.0 * (3.7_f64 / 4.0 - 0.75).abs() + 2.0 * 0.2) / 6.0;
        assert!((found.ece - expected).abs() < 1e-12, "{found:?}");
        assert!((found.brier - (2.0 * 0.01 + 0.81 + 0.09 + 0.49) / 6.0).abs() < 1e-12, "{found:?}");
        // Pairs of a right and a wrong one: 4·2, of which won: 0.9 ½+1 each twice, 0.3 0+½, 1.0 1+1.
        assert!((found.auc.unwrap() - 5.5 / 8.0).abs() < 1e-12);
        assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<usize>(), 6);
        assert!(Tally(vec![(0.5, true)]).reliability().auc.is_none());
        assert_eq!(Tally::default().reliability().ece, 0.0);
    }

    #[test]
    fn intervals_are_wilsons() {
        let near = |found: [f64; 2], expected: [f64; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near(wilson(8, 10), [0.490, 0.943]) && near(wilson(0, 10), [0.0, 0.278]));
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
    }
}
