//! The largest of many scores, one after another, without sorting the rest.

use crate::tensor::simd::vectorized;
use llguidance::toktrie::SimpleVob;

/// Scores that are looked at together.
const BLOCK: usize = 64;
/// Blocks that the first range has scores of; each further range has scores of so many times as many.
const FIRST_BLOCKS: usize = 32;
const MORE: usize = 4;

/// Goes through scores from the largest down, equal ones by id; −∞ is none. They are found a range at a time, each of more
/// scores than the one before: a draw mostly ends in the first. A range goes down to the largest score of the last of its
/// blocks, so however close all scores are, it has a few of each block and no more.
pub(super) struct Ranked<'s> {
    scores: &'s [f32],
    /// Of the next range.
    blocks: usize,
    /// Of the scores below, none was given out yet.
    below: f32,
    /// A range, its smallest first.
    range: Vec<u32>,
}

impl<'s> Ranked<'s> {
    pub(super) fn new(scores: &'s [f32]) -> Self {
        Ranked { scores, blocks: FIRST_BLOCKS, below: f32::INFINITY, range: Vec::new() }
    }

    fn refill(&mut self) {
        let (scores, below) = (self.scores, self.below);
        let largest = vectorized(
            #[inline(always)]
            || scores.chunks(BLOCK).map(|block| largest_below(block, below)).collect::<Vec<f32>>(),
        );
        let bottom = nth_largest(&largest, self.blocks).max(f32::MIN);
        let blocks = scores.chunks(BLOCK).zip(0u32..).zip(&largest).filter(|(_, largest)| **largest >= bottom);
        for ((block, index), _) in blocks {
            let ids = index * BLOCK as u32..;
            self.range
                .extend(ids.zip(block).filter(|(_, score)| **score >= bottom && **score < below).map(|(id, _)| id));
        }
        let score = |id: u32| scores[id as usize];
        self.range.sort_unstable_by(|&a, &b| score(a).total_cmp(&score(b)).then(b.cmp(&a)));
        (self.below, self.blocks) = (bottom, self.blocks * MORE);
    }
}

impl Iterator for Ranked<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.range.is_empty() {
            self.refill();
        }
        self.range.pop()
    }
}

/// The largest of a block's scores below a bound; −∞ if there is none.
#[inline(always)]
fn largest_below(block: &[f32], below: f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = block.as_chunks::<16>();
    for chunk in chunks {
        for (lane, score) in lanes.iter_mut().zip(chunk) {
            *lane = if *score < below && *score > *lane { *score } else { *lane };
        }
    }
    let rest = rest.iter().copied().filter(|score| *score < below);
    rest.chain(lanes).fold(f32::NEG_INFINITY, f32::max)
}

/// −∞ if there are fewer.
fn nth_largest(of: &[f32], nth: usize) -> f32 {
    if of.len() < nth {
        return f32::NEG_INFINITY;
    }
    *of.to_vec().select_nth_unstable_by(nth - 1, |a, b| b.total_cmp(a)).1
}

/// Rules out every token that is not in `mask`.
pub(super) fn restrict(scores: &mut [f32], mask: &SimpleVob) {
    const WORD: usize = u32::BITS as usize;
    let mut words = mask.as_slice().iter().copied();
    for scores in scores.chunks_mut(WORD) {
        match words.next().unwrap_or(0) {
            0 => scores.fill(f32::NEG_INFINITY),
            u32::MAX => {}
            word => {
                for (bit, score) in scores.iter_mut().enumerate() {
                    *score = if word >> bit & 1 == 1 { *score } else { f32::NEG_INFINITY };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_in_their_order() {
        let mut state = 7u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 20) as f32
        };
        for (len, scale) in [(1, 1.0), (15, 1e-6), (700, 0.01), (30_000, 1.0), (30_000, 1e-9), (300, 1e34)] {
            let mut scores: Vec<f32> = (0..len).map(|_| (random() - 2000.0) * scale).collect();
            if len > 20 {
                scores[3] = f32::NEG_INFINITY;
                scores[len - 1] = scores[0];
            }
            let mut sorted: Vec<u32> = (0..len as u32).filter(|&id| scores[id as usize].is_finite()).collect();
            sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
            assert_eq!(Ranked::new(&scores).collect::<Vec<_>>(), sorted, "{len} {scale}");
        }
        assert_eq!(Ranked::new(&[f32::NEG_INFINITY; 40]).count(), 0);
        let far = [0.0, f32::MIN, f32::MAX, -0.0];
        assert_eq!(Ranked::new(&far).collect::<Vec<_>>(), [2, 0, 3, 1]);
    }

    #[test]
    fn scores_that_are_close_to_each_other_are_not_all_sorted_for_the_first() {
        let scores: Vec<f32> = (0..100_000u32).map(|id| (id.wrapping_mul(2_654_435_761) >> 8) as f32 * 1e-9).collect();
        let mut ranked = Ranked::new(&scores);
        assert!(ranked.next().is_some());
        assert!((FIRST_BLOCKS - 1..8 * FIRST_BLOCKS).contains(&ranked.range.len()), "{}", ranked.range.len());
    }

    #[test]
    fn a_mask_rules_out_the_rest() {
        for len in [5, 64, 70] {
            let mut mask = SimpleVob::alloc(len);
            (0..len).filter(|id| id % 3 != 1 || (32..64).contains(id)).for_each(|id| mask.allow_token(id as u32));
            let mut scores = vec![1.0; len + 9];
            restrict(&mut scores, &mask);
            for (id, score) in scores.iter().enumerate() {
                assert_eq!(*score == 1.0, id < len && mask.is_allowed(id as u32), "{len} {id}");
            }
        }
    }
}
