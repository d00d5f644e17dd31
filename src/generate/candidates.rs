//! Tokens that may be drawn.

use super::ranked::Ranked;

/// A token that may be drawn, and its weight relative to the most probable one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) id: u32,
    pub(super) weight: f64,
}

/// The candidate that `chance`, between 0 and 1, falls to.
pub(super) fn drawn(candidates: impl Iterator<Item = Candidate>, total: f64, chance: f64) -> Option<u32> {
    let mut rest = chance * total;
    let mut last = None;
    for candidate in candidates {
        rest -= candidate.weight;
        last = Some(candidate.id);
        if rest < 0.0 {
            break;
        }
    }
    // Rounding may leave a crumb of `rest`; the draw then belongs to the last interval.
    last
}

/// Hugging Face's `TypicalLogitsWarper` (Meister et al. 2022, <https://arxiv.org/abs/2202.00666>): those whose surprise is
/// nearest to the expected one, until their probabilities sum to `mass`.
pub(super) fn typical(candidates: &mut Vec<Candidate>, mass: f64) {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let surprise = |candidate: &Candidate| total.ln() - candidate.weight.ln();
    let possible = candidates.iter().filter(|candidate| candidate.weight > 0.0);
    let expected: f64 = possible.map(|candidate| candidate.weight / total * surprise(candidate)).sum();
    let nearness: Vec<f32> =
        candidates.iter().map(|candidate| -(surprise(candidate) - expected).abs() as f32).collect();
    let mut sum = 0.0;
    let mut farthest = 0.0;
    for index in Ranked::new(&nearness) {
        farthest = nearness[index as usize];
        sum += candidates[index as usize].weight;
        if sum >= mass * total {
            break;
        }
    }
    let mut nearness = nearness.into_iter();
    candidates.retain(|_| nearness.next().is_some_and(|nearness| nearness >= farthest));
}
