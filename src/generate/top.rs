//! What else the model might have said: the most probable tokens at each place of a text.

use super::generation::TopToken;
use super::logits::check_numbers;
use crate::error::Result;
use crate::tensor::exp::exp_sum_long;
use crate::tensor::simd::vectorized;
use crate::tokenize::Tokenizer;

/// Finds the `count` most probable tokens. As all log-probabilities, theirs are the model's own.
pub(super) struct Top {
    count: usize,
    tokenizer: Tokenizer,
}

impl Top {
    /// `None` if none are asked for.
    pub(super) fn new(count: usize, tokenizer: &Tokenizer) -> Option<Self> {
        (count > 0).then(|| Top { count, tokenizer: tokenizer.clone() })
    }

    /// The most probable tokens, best first; of equals the one with the lower id.
    pub(super) fn of(&self, logits: &[f32]) -> Result<Vec<TopToken>> {
        let max = check_numbers(logits)?;
        let sum = vectorized(
            #[inline(always)]
            || exp_sum_long(logits, max),
        );
        let whole = f64::from(max) + sum.ln();
        let token = |(id, logit): (u32, f32)| TopToken {
            id,
            logprob: (f64::from(logit) - whole) as f32,
            text: self.tokenizer.decode_inside(id),
        };
        Ok(self.largest(logits).into_iter().map(token).collect())
    }

    fn largest(&self, logits: &[f32]) -> Vec<(u32, f32)> {
        let mut found: Vec<(u32, f32)> = Vec::with_capacity(self.count + 1);
        for (id, &logit) in (0u32..).zip(logits) {
            let full = found.len() == self.count;
            if logit == f32::NEG_INFINITY || (full && found.last().is_some_and(|(_, least)| logit <= *least)) {
                continue;
            }
            let place = found.partition_point(|(_, better)| *better >= logit);
            found.insert(place, (id, logit));
            found.truncate(self.count);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::logits::log_probability;
    use crate::tokenize::test_support::byte_level;

    #[test]
    fn the_best_come_first_and_equals_by_id() {
        let logits = [1.0, 5.0, f32::NEG_INFINITY, 5.0, -2.0, 3.0];
        let top = |count| Top::new(count, &byte_level()).unwrap().of(&logits).unwrap();
        let ids = |count| top(count).iter().map(|token| token.id).collect::<Vec<_>>();
        assert_eq!(ids(1), [1]);
        assert_eq!(ids(3), [1, 3, 5]);
        assert_eq!(ids(20), [1, 3, 5, 0, 4], "one that the model rules out is no alternative");
        for token in top(20) {
            assert_eq!(token.logprob, log_probability(&logits, token.id).unwrap());
        }
        assert!(Top::new(0, &byte_level()).is_none());
        assert!(Top::new(2, &byte_level()).unwrap().of(&[f32::NAN, 0.0]).is_err());
    }
}
