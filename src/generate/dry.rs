//! DRY ("don't repeat yourself"): a token that would go on with a repetition is the less probable the longer that is.
//!
//! By p-e-w, <https://github.com/oobabooga/text-generation-webui/pull/5677>: where the last `n` tokens stand earlier in the
//! text too, the token that followed them there loses `multiplier · base^(n − allowed_length)`. No repetition is counted
//! across a breaker: structure, such as line ends and quotes, may repeat.

use super::GenerateOptions;
use crate::tokenize::Tokenizer;
use std::collections::HashMap;

/// Longer repetitions are penalized as this one, as in the original: powers of more are beyond all logits.
const LONGEST: usize = 50;

#[derive(Debug)]
pub(super) struct Dry {
    multiplier: f64,
    base: f64,
    allowed_length: usize,
    /// Tokens that are looked at, from the end; 0 for all.
    last_n: usize,
    breakers: Vec<String>,
    tokenizer: Tokenizer,
    /// Whether a token is a breaker.
    known: HashMap<u32, bool>,
    tokens: Vec<u32>,
}

impl Dry {
    /// `None` where it is off.
    pub(super) fn new(options: &GenerateOptions, tokenizer: &Tokenizer) -> Option<Self> {
        (options.dry_multiplier > 0.0).then(|| Dry {
            multiplier: options.dry_multiplier,
            base: options.dry_base,
            allowed_length: options.dry_allowed_length,
            last_n: options.dry_penalty_last_n,
            breakers: options.dry_sequence_breakers.clone(),
            tokenizer: tokenizer.clone(),
            known: HashMap::new(),
            tokens: Vec::new(),
        })
    }

    pub(super) fn forget(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn observe(&mut self, tokens: &[u32]) {
        self.tokens.extend(tokens);
        for &token in tokens {
            self.known.entry(token).or_insert_with(|| {
                let bytes = self.tokenizer.token_bytes(token).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                self.tokenizer.is_special(token) || self.breakers.iter().any(|breaker| text.contains(breaker))
            });
        }
    }

    /// What each token loses that would go on with a repetition.
    pub(super) fn penalties(&self) -> HashMap<u32, f64> {
        let first = if self.last_n == 0 { 0 } else { self.tokens.len().saturating_sub(self.last_n) };
        let breaks = |token: u32| self.known.get(&token).is_some_and(|breaks| *breaks);
        let lengths = repetitions(&self.tokens[first..], breaks).into_iter();
        let penalized = lengths.filter(|(_, length)| *length >= self.allowed_length);
        let penalty = |length: usize| self.multiplier * self.base.powi((length - self.allowed_length) as i32);
        penalized.map(|(token, length)| (token, penalty(length))).collect()
    }
}

/// The tokens that went on with what the text ends with, and how much of its end stood before them at most.
fn repetitions(text: &[u32], breaks: impl Fn(u32) -> bool) -> HashMap<u32, usize> {
    let mut longest = HashMap::new();
    let Some((&last, before)) = text.split_last().filter(|(last, _)| !breaks(**last)) else { return longest };
    for at in (0..before.len()).filter(|&at| before[at] == last) {
        let next = text[at + 1];
        if breaks(next) {
            continue;
        }
        let pairs = text[..at].iter().rev().zip(before.iter().rev());
        let length = 1 + pairs.take(LONGEST - 1).take_while(|(a, b)| a == b && !breaks(**b)).count();
        let known = longest.entry(next).or_insert(0);
        *known = length.max(*known);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loops of the original, as they are published.
    fn published(text: &[u32], breakers: &[u32]) -> HashMap<u32, usize> {
        let mut lengths: HashMap<u32, usize> = HashMap::new();
        let last = text[text.len() - 1];
        if breakers.contains(&last) {
            return lengths;
        }
        for i in 0..text.len() - 1 {
            if text[i] != last || breakers.contains(&text[i + 1]) {
                continue;
            }
            let mut length = 1;
            while length < 50 {
                let Some(j) = i.checked_sub(length) else { break };
                let previous = text[text.len() - 1 - length];
                if text[j] != previous || breakers.contains(&previous) {
                    break;
                }
                length += 1;
            }
            let known = lengths.entry(text[i + 1]).or_insert(0);
            *known = length.max(*known);
        }
        lengths
    }

    #[test]
    fn repetitions_are_those_of_the_published_loops() {
        let mut state = 1u32;
        for round in 0..300 {
            let text: Vec<u32> = (0..round % 90 + 1)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) % (2 + round % 5)
                })
                .collect();
            for breakers in [&[][..], &[1], &[0, 3]] {
                assert_eq!(
                    repetitions(&text, |token| breakers.contains(&token)),
                    published(&text, breakers),
                    "{text:?}"
                );
            }
        }
        assert_eq!(repetitions(&[7; 99], |_| false)[&7], 50);
        assert!(repetitions(&[], |_| false).is_empty());
    }

    #[test]
    fn penalties_grow_with_the_length_and_stop_at_breakers() {
        let tokenizer = crate::tokenize::test_support::byte_level();
        let penalties = |json: &str, text: &str| {
            let mut dry = Dry::new(&crate::options::parse(Some(json)).unwrap(), &tokenizer).unwrap();
            dry.observe(&tokenizer.encode_as_text(text).unwrap());
            let mut found: Vec<(String, f64)> = dry
                .penalties()
                .into_iter()
                .map(|(token, penalty)| (String::from_utf8(tokenizer.token_bytes(token).unwrap()).unwrap(), penalty))
                .collect();
            found.sort_by(|a, b| a.0.cmp(&b.0));
            found
        };
        let of = |token: &str, penalty: f64| vec![(token.to_owned(), penalty)];
        assert_eq!(penalties(r#"{"dry_multiplier":2,"dry_base":3}"#, "qzxw_qzx"), of("w", 2.0 * 3.0));
        assert_eq!(penalties(r#"{"dry_multiplier":2,"dry_base":3,"dry_allowed_length":3}"#, "qzxw_qzx"), of("w", 2.0));
        assert_eq!(penalties(r#"{"dry_multiplier":2,"dry_allowed_length":4}"#, "qzxw_qzx"), []);
        assert_eq!(penalties(r#"{"dry_multiplier":2,"dry_penalty_last_n":6}"#, "qzxw_qzx"), []);
        assert_eq!(penalties(r#"{"dry_multiplier":1}"#, "qz:xw_qz:x"), []);
        assert_eq!(
            penalties(r#"{"dry_multiplier":1,"dry_sequence_breakers":["!"]}"#, "qz:xw_qz:x"),
            of("w", 1.75 * 1.75)
        );
    }
}
