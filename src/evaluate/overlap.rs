//! The longest run of characters that a text has word for word in common with any of many others.

use std::collections::BTreeMap;

/// The suffix automaton of a text (Blumer et al. 1985): it reads any other text in linear time, however many there are, and
/// its size is linear in its own text alone.
pub(crate) struct SuffixAutomaton {
    states: Vec<State>,
}

#[derive(Clone, Default)]
struct State {
    /// Characters of the longest substring that ends here.
    len: usize,
    /// The state of its longest suffix that occurs in other places too; `None` at the root.
    link: Option<usize>,
    next: BTreeMap<char, usize>,
}

impl SuffixAutomaton {
    /// Time and memory linear in `text`.
    pub(crate) fn new(text: &str) -> Self {
        let mut automaton = SuffixAutomaton { states: vec![State::default()] };
        let mut last = 0;
        for character in text.chars() {
            last = automaton.extend(last, character);
        }
        automaton
    }

    fn extend(&mut self, last: usize, character: char) -> usize {
        let new = self.push(State { len: self.states[last].len + 1, link: Some(0), next: BTreeMap::new() });
        let mut at = Some(last);
        while let Some(state) = at {
            let Some(&target) = self.states[state].next.get(&character) else {
                self.states[state].next.insert(character, new);
                at = self.states[state].link;
                continue;
            };
            let len = self.states[state].len + 1;
            if self.states[target].len == len {
                self.states[new].link = Some(target);
                return new;
            }
            let split = self.push(State { len, ..self.states[target].clone() });
            while let Some(state) = at.filter(|&state| self.states[state].next.get(&character) == Some(&target)) {
                self.states[state].next.insert(character, split);
                at = self.states[state].link;
            }
            self.states[target].link = Some(split);
            self.states[new].link = Some(split);
            return new;
        }
        new
    }

    fn push(&mut self, state: State) -> usize {
        self.states.push(state);
        self.states.len() - 1
    }

    /// Characters of the longest run that `other` shares with the text.
    pub(crate) fn longest_in(&self, other: &str) -> usize {
        let (mut state, mut matched, mut longest) = (0, 0, 0);
        for character in other.chars() {
            loop {
                if let Some(&next) = self.states[state].next.get(&character) {
                    (state, matched) = (next, matched + 1);
                    break;
                }
                let Some(link) = self.states[state].link else {
                    matched = 0;
                    break;
                };
                (state, matched) = (link, self.states[link].len);
            }
            longest = longest.max(matched);
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// By dynamic programming, in quadratic time.
    fn plain(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut ending = vec![0; b.len() + 1];
        let mut longest = 0;
        for x in a.chars() {
            for j in (0..b.len()).rev() {
                ending[j + 1] = if b[j] == x { ending[j] + 1 } else { 0 };
                longest = longest.max(ending[j + 1]);
            }
        }
        longest
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        let automaton = SuffixAutomaton::new("建议:保留并重点培养。");
        assert_eq!(automaton.longest_in("结论:保留并重点培养,明年晋升"), 8);
        assert_eq!(automaton.longest_in("abc"), 0);
        assert_eq!(automaton.longest_in(""), 0);
        assert_eq!(SuffixAutomaton::new("").longest_in("abc"), 0);
        assert_eq!(SuffixAutomaton::new("aaaa").longest_in("baaab"), 3);
    }

    #[test]
    fn random_texts_agree_with_the_quadratic_search() {
        let mut random = StdRng::seed_from_u64(3);
        for letters in [2, 3, 9] {
            for _ in 0..200 {
                let mut text = |max: usize| -> String {
                    let len = random.random_range(0..max);
                    (0..len).map(|_| char::from(b'a' + random.random_range(0..letters))).collect()
                };
                let (a, b) = (text(40), text(60));
                assert_eq!(SuffixAutomaton::new(&a).longest_in(&b), plain(&a, &b), "{a} {b}");
            }
        }
    }

    #[test]
    fn size_is_linear_and_long_texts_are_quick() {
        let text: String =
            (0..20_000u32).map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 29) as u8)).collect();
        let automaton = SuffixAutomaton::new(&text);
        assert!(automaton.states.len() <= 2 * text.len());
        assert_eq!(automaton.longest_in(&text[5_000..15_000]), 10_000);
    }
}
