//! How sure the model was of a conclusion: from the words at which it had a choice, and from what it says when asked again.
//!
//! Most words of a sentence follow from those before. Where another word was possible, the sentence was decided: the
//! product of the probabilities there is that of the whole claim, and no boilerplate dilutes it.

use super::likeness::Said;
use crate::adapter::calibration::Signals;
use crate::generate::{GeneratedToken, Generation};
use std::ops::Range;

/// Texts that are drawn beside the one that counts.
pub(crate) const VARIANTS: usize = 4;
/// The tokens in each place that are looked at: the one that was said, and the best other.
pub(crate) const TOP: usize = 2;
/// A token with at least this probability was a real alternative.
const ALTERNATIVE: f32 = 0.02;

/// Where in the conclusion at `range` it was decided: bytes from its beginning.
fn deciding_places(generation: &Generation, range: &Range<usize>) -> Vec<Range<usize>> {
    let place =
        |token: &GeneratedToken| token.start.max(range.start) - range.start..token.end.min(range.end) - range.start;
    deciding(generation, range).map(place).collect()
}

/// The tokens of `range` in whose place the model had a real alternative.
fn deciding<'g>(generation: &'g Generation, range: &'g Range<usize>) -> impl Iterator<Item = &'g GeneratedToken> {
    generation.tokens.iter().filter(|token| token.start < range.end && token.end > range.start).filter(|token| {
        let other =
            token.top.iter().filter(|top| top.id != token.id).map(|top| top.logprob).fold(f32::NEG_INFINITY, f32::max);
        other >= ALTERNATIVE.ln()
    })
}

/// The signals of the conclusion at `range`, which is `said`; `variants` are the conclusions of each variant.
pub(crate) fn signals(generation: &Generation, range: &Range<usize>, said: &Said, variants: &[Vec<Said>]) -> Signals {
    let mut signals = Signals { logprob: 0.0, weakest: 0.0, agreement: 1.0 };
    for token in deciding(generation, range) {
        let logprob = f64::from(token.logprob);
        signals.logprob += logprob;
        signals.weakest = signals.weakest.min(logprob);
    }
    if !variants.is_empty() {
        let places = deciding_places(generation, range);
        let agree = variants.iter().filter(|variant| variant.iter().any(|other| said.agrees(other, &places))).count();
        signals.agreement = agree as f64 / variants.len() as f64;
    }
    signals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{FinishReason, TopToken};

    /// Two words of boilerplate and one that was decided, with the probability `p`.
    fn generation(p: f32) -> Generation {
        let top = |id, p: f32| TopToken { id, logprob: p.ln(), text: String::new() };
        let token = |id, start, p: f32, other: f32| GeneratedToken {
            id,
            logprob: p.ln(),
            start,
            end: start + 1,
            top: vec![top(id, p), top(9, other)],
        };
        Generation {
            text: "a b c d.".to_owned(),
            tokens: vec![
                token(1, 0, 0.999, 0.001),
                token(2, 2, p, 1.0 - p),
                token(3, 4, 0.985, 0.001),
                token(4, 6, 0.5, 0.5),
            ],
            finish_reason: FinishReason::Stop,
            prompt_tokens: 1,
            completion_tokens: 4,
            seed: 0,
        }
    }

    fn said(text: &str) -> Said {
        Said::new(text, std::iter::empty())
    }

    #[test]
    fn only_what_was_decided_in_the_conclusion_counts() {
        let of = signals(&generation(0.7), &(0..5), &said("a b c"), &[]);
        assert!((of.probability() - 0.7).abs() < 1e-6 && of.logprob == of.weakest && of.agreement == 1.0);
        assert_eq!(signals(&generation(0.999), &(0..5), &said("a b c"), &[]).probability(), 1.0);
        let both = signals(&generation(0.7), &(0..8), &said("a b c d."), &[]);
        assert!((both.probability() - 0.35).abs() < 1e-6 && (both.weakest.exp() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn variants_agree_where_they_decide_the_same() {
        let long = "it is the view of the panel that the case is b and nothing else";
        let variants = [vec![said("x"), said(long)], vec![said(&long.replace(" b ", " c "))], vec![], vec![said(long)]];
        let place = long.find(" b ").unwrap() + 1;
        let mut generation = generation(0.7);
        generation.tokens[1].start = place;
        generation.tokens[1].end = place + 1;
        let of = signals(&generation, &(0..long.len()), &said(long), &variants);
        assert_eq!(of.agreement, 0.5);
    }
}
