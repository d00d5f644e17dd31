//! The largest of each row of logits on a card: what a draw mostly needs of them, a thousandth of their bytes.

mod cuda;

use crate::error::Result;
use crate::gpu::Array;

/// How many logits of a row are listed.
pub(crate) const LISTED: usize = 256;

/// What is known of a row of logits without the others of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shortlist {
    /// The largest logits and their tokens, in the order of draws: the larger first, equal ones by id.
    pub(crate) listed: Vec<(u32, f32)>,
    /// No other logit is above it. −∞: all others are −∞.
    pub(crate) bound: f32,
    /// The largest of all, and Σ exp(logit − max) over all: NaN where one is NaN or +∞.
    pub(crate) max: f32,
    pub(crate) sum: f32,
}

impl Shortlist {
    /// Relative error of [`Shortlist::sum`], at most: 16 roundings of f32 on the way of each term, and those of `exp`.
    pub(crate) const SUM_ERROR: f64 = 1e-5;

    /// Whether all logits of the row are numbers, and one is above −∞.
    pub(crate) fn is_sound(&self) -> bool {
        self.max > f32::NEG_INFINITY && self.sum.is_finite()
    }
}

/// Of each row of `logits [rows, vocab]`. Waits.
pub(crate) fn shortlists(logits: &Array, rows: usize) -> Result<Vec<Shortlist>> {
    cuda::shortlists(logits, rows, LISTED)
}

#[cfg(all(test, feature = "cuda-emulator"))]
mod tests {
    use super::*;
    use crate::gpu::{Element, Gpu};
    use crate::tensor::testing::normal_values;

    fn expected(row: &[f32], count: usize) -> Shortlist {
        let mut listed: Vec<(u32, f32)> = (0..).zip(row.iter().copied()).collect();
        listed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let max = listed[0].1;
        let sum = row.iter().map(|logit| f64::from(logit - max).exp()).sum::<f64>() as f32;
        listed.truncate(count);
        let bound = if row.len() <= count { f32::NEG_INFINITY } else { listed[count - 1].1 };
        Shortlist { listed, bound, max, sum }
    }

    #[test]
    fn shortlists_are_those_of_sorted_rows() {
        let gpu = Gpu::emulator();
        for (rows, vocab) in [(1, 3), (2, 256), (3, 1000), (2, 70_001)] {
            let values = normal_values(rows * vocab, 5);
            let logits = Array::upload_f32(&gpu, &values).unwrap();
            for element in [Element::F32, Element::Bf16] {
                let logits = logits.cast(element).unwrap();
                let found = shortlists(&logits, rows).unwrap();
                let values = logits.download_f32().unwrap();
                for (row, mut found) in values.chunks_exact(vocab).zip(found) {
                    let expected = expected(row, LISTED);
                    assert!((found.sum / expected.sum - 1.0).abs() < 3e-6, "{} {}", found.sum, expected.sum);
                    found.sum = expected.sum;
                    assert_eq!(found, expected, "{rows} {vocab} {element:?}");
                }
            }
        }
    }
}
