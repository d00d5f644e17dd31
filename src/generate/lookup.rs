//! What may come next because it came before: reports repeat their input.
//!
//! Where the last tokens stood before, the text went on in some way; a pass reads those tokens with the one that is due, and
//! the sampler then draws as it would have done (prompt lookup decoding: Saxena 2023; exact as in Leviathan et al. 2023).

use super::guide::Guide;
use std::collections::HashMap;

/// Tokens that must be the same.
const SAME: usize = 3;
/// Most tokens that are proposed at a time. With the one that is due they are few enough for attention to give each the bits
/// that it has alone.
const MOST: usize = 3;
/// After so many proposals in a row of which nothing came, 2 to that power are passed over.
const MOST_DOUBLINGS: u32 = 5;

/// Prompt and text, and what is proposed.
pub(super) struct Lookup {
    tokens: Vec<u32>,
    /// What the text is expected to repeat, if that is known: asked first.
    guide: Option<Guide>,
    /// By neighbouring tokens: where the last ones like them end, but for those at the end of all.
    ends: HashMap<[u32; SAME], usize>,
    /// Tokens proposed at a time: more while they come true.
    length: usize,
    /// Proposals in a row of which nothing came.
    misses: u32,
    /// Proposals that are passed over now.
    passed_over: u32,
}

impl Lookup {
    /// After a prompt.
    pub(super) fn new(prompt: &[u32]) -> Self {
        let (tokens, ends) = (Vec::new(), HashMap::new());
        let mut lookup = Lookup { tokens, guide: None, ends, length: 2, misses: 0, passed_over: 0 };
        lookup.extend(prompt);
        lookup
    }

    /// What follows is expected to repeat `text`.
    pub(super) fn expect(&mut self, text: Vec<u32>) {
        self.guide = Some(Guide::new(text));
    }

    /// Whether the text goes as it is expected to.
    pub(super) fn expects(&self) -> bool {
        self.guide.as_ref().is_some_and(|guide| !guide.expected().is_empty())
    }

    /// The text after `prompt` is this instead.
    pub(super) fn replace(&mut self, prompt: &[u32], text: &[u32]) {
        let guide = self.guide.take().map(Guide::rewound);
        *self = Lookup { guide, ..Lookup::new(prompt) };
        self.extend(text);
    }

    /// What came.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        self.guide.iter_mut().for_each(|guide| tokens.iter().for_each(|token| guide.follow(*token)));
        for token in tokens {
            let end = self.tokens.len();
            if let Some(last) = self.tokens.last_chunk::<SAME>() {
                self.ends.insert(*last, end);
            }
            self.tokens.push(*token);
        }
    }

    /// At most `most` tokens that may come.
    pub(super) fn propose(&mut self, most: usize) -> Vec<u32> {
        let following = self.following();
        if following.is_empty() {
            return Vec::new();
        }
        if self.passed_over == 0 {
            return following.iter().copied().take(self.length.min(most)).collect();
        }
        self.passed_over -= 1;
        Vec::new()
    }

    /// What came after tokens like the last ones.
    fn following(&self) -> &[u32] {
        let expected = self.guide.as_ref().map_or(&[][..], Guide::expected);
        if !expected.is_empty() {
            return expected;
        }
        let end = self.tokens.last_chunk::<SAME>().and_then(|last| self.ends.get(last));
        end.map_or(&[], |end| &self.tokens[*end..])
    }

    /// So many of the tokens proposed came.
    pub(super) fn learn(&mut self, proposed: usize, came: usize) {
        if came == 0 {
            self.misses += 1;
            self.passed_over = (1 << self.misses.min(MOST_DOUBLINGS)) - 1;
        } else {
            self.misses = 0;
        }
        self.length = if came == proposed { MOST.min(2 * self.length) } else { (came + 1).min(self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_on_before_is_proposed_as_far_as_it_came_true() {
        let mut lookup = Lookup::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]);
        assert!(lookup.propose(9).is_empty());
        lookup.extend(&[3]);
        assert_eq!(lookup.propose(9), [4, 5]);
        lookup.learn(2, 2);
        assert_eq!((lookup.propose(9), lookup.propose(1)), (vec![4, 5, 6], vec![4]));
        lookup.learn(3, 1);
        assert_eq!(lookup.propose(9), [4, 5]);
        // The latest place counts.
        lookup.extend(&[4, 70, 1, 2, 3]);
        assert_eq!(lookup.propose(9), [4, 70]);
    }

    #[test]
    fn what_is_expected_is_proposed_first() {
        let mut lookup = Lookup::new(&[1, 2, 3, 50, 51]);
        lookup.expect(vec![20, 21, 22, 23, 24]);
        assert_eq!(lookup.propose(9), [20, 21]);
        lookup.extend(&[20]);
        assert_eq!(lookup.propose(9), [21, 22]);
        lookup.extend(&[1, 2, 3]);
        assert_eq!(lookup.propose(9), [50, 51], "as the prompt went on, where the text has words of its own");
        lookup.extend(&[24]);
        assert!(lookup.propose(9).is_empty());
        lookup.replace(&[1, 2, 3, 50, 51], &[20, 21]);
        assert_eq!(lookup.propose(9), [22, 23]);
    }

    #[test]
    fn a_text_that_goes_its_own_way_is_left_alone() {
        let mut lookup = Lookup::new(&[1, 1, 1, 1]);
        let mut proposals = 0;
        for _ in 0..300 {
            let proposed = lookup.propose(4).len();
            proposals += usize::from(proposed > 0);
            if proposed > 0 {
                lookup.learn(proposed, 0);
            }
        }
        assert!((5..20).contains(&proposals), "{proposals}");
        let proposed = (0..64).map(|_| lookup.propose(4).len()).find(|count| *count > 0).unwrap();
        lookup.learn(proposed, proposed);
        assert_eq!(lookup.propose(4).len(), 1, "what ends the text has nothing after it");
    }
}
