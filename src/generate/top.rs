//! What else the model might have said: the most probable tokens at each place of a text.

use super::generation::TopToken;
use super::logits::Softmax;
use super::ranked::Ranked;
use crate::error::Result;
use crate::model::Row;
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
    pub(super) fn of(&self, logits: &Row) -> Result<Vec<TopToken>> {
        let softmax = Softmax::of(logits)?;
        let token = |(id, logit)| TopToken { id, logprob: softmax.log(logit), text: self.tokenizer.decode_inside(id) };
        let largest = match logits.shortlist() {
            Some(shortlist) if shortlist.listed.len() >= self.count => shortlist.listed[..self.count].to_vec(),
            _ => {
                let all = logits.all()?;
                Ranked::new(all).take(self.count).map(|id| (id, all[id as usize])).collect()
            }
        };
        Ok(largest.into_iter().map(token).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::logits::log_probability;
    use crate::tokenize::test_support::byte_level;

    #[test]
    fn the_best_come_first_and_equals_by_id() {
        let logits = vec![1.0, 5.0, f32::NEG_INFINITY, 5.0, -2.0, 3.0];
        let (listed, logits) = (Row::listing(logits.clone(), 4), Row::whole(logits));
        let top = |count| Top::new(count, &byte_level()).unwrap().of(&logits).unwrap();
        for count in [1, 3, 4, 20] {
            let of_list = Top::new(count, &byte_level()).unwrap().of(&listed).unwrap();
            assert_eq!(
                of_list.iter().map(|token| token.id).collect::<Vec<_>>(),
                top(count).iter().map(|token| token.id).collect::<Vec<_>>()
            );
        }
        let ids = |count| top(count).iter().map(|token| token.id).collect::<Vec<_>>();
        assert_eq!(ids(1), [1]);
        assert_eq!(ids(3), [1, 3, 5]);
        assert_eq!(ids(20), [1, 3, 5, 0, 4], "one that the model rules out is no alternative");
        for token in top(20) {
            assert_eq!(token.logprob, log_probability(&logits, token.id).unwrap());
        }
        assert!(Top::new(0, &byte_level()).is_none());
        assert!(Top::new(2, &byte_level()).unwrap().of(&Row::whole(vec![f32::NAN, 0.0])).is_err());
    }
}
