//! What is taken from logits, or added to them, for what was already said.

use super::GenerateOptions;
use super::dry::Dry;
use crate::tokenize::Tokenizer;
use std::collections::{HashMap, HashSet};

/// Logits by token, to be changed.
pub(super) trait Scores {
    /// A logit that stays a number, or what rules the token out. A larger logit must not become the smaller one.
    fn change(&mut self, token: u32, to: impl Fn(f32) -> f32);
}

/// The penalties of one text, and what they know of it.
#[derive(Debug)]
pub(super) struct Penalties {
    logit_bias: Vec<(u32, f64)>,
    repetition: f32,
    presence: f64,
    frequency: f64,
    /// Tokens of the prompt and the completion.
    seen: HashSet<u32>,
    /// How often each token is in the completion.
    counts: HashMap<u32, u32>,
    dry: Option<Dry>,
}

impl Penalties {
    pub(super) fn new(options: &GenerateOptions, tokenizer: &Tokenizer) -> Self {
        Penalties {
            logit_bias: options.logit_biases().collect(),
            repetition: options.repetition_penalty as f32,
            presence: options.presence_penalty,
            frequency: options.frequency_penalty,
            seen: HashSet::new(),
            counts: HashMap::new(),
            dry: Dry::new(options, tokenizer),
        }
    }

    /// Forgets all that was observed.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.counts.clear();
        self.dry.iter_mut().for_each(Dry::forget);
    }

    pub(super) fn observe_prompt(&mut self, tokens: &[u32]) {
        if self.repetition != 1.0 {
            self.seen.extend(tokens);
        }
        if let Some(dry) = &mut self.dry {
            dry.observe(tokens);
        }
    }

    pub(super) fn observe(&mut self, tokens: &[u32]) {
        self.observe_prompt(tokens);
        if self.presence != 0.0 || self.frequency != 0.0 {
            tokens.iter().for_each(|&token| *self.counts.entry(token).or_default() += 1);
        }
    }

    /// In the order of Hugging Face's `generate`: the bias first, then the penalties.
    pub(super) fn apply(&self, logits: &mut (impl Scores + ?Sized)) {
        for &(token, bias) in &self.logit_bias {
            logits.change(token, |logit| (f64::from(logit) + bias) as f32);
        }
        for &token in &self.seen {
            logits.change(token, |logit| repetition(logit, self.repetition));
        }
        for (&token, &count) in &self.counts {
            let penalty = self.presence + self.frequency * f64::from(count);
            logits.change(token, |logit| (f64::from(logit) - penalty) as f32);
        }
        for (token, penalty) in self.dry.iter().flat_map(Dry::penalties) {
            logits.change(token, |logit| (f64::from(logit) - penalty) as f32);
        }
    }
}

impl Scores for [f32] {
    fn change(&mut self, token: u32, to: impl Fn(f32) -> f32) {
        if let Some(logit) = self.get_mut(token as usize).filter(|logit| logit.is_finite()) {
            *logit = to(*logit).clamp(f32::MIN, f32::MAX);
        }
    }
}

/// Hugging Face's `RepetitionPenaltyLogitsProcessor` (Keskar et al. 2019, <https://arxiv.org/abs/1909.05858>).
fn repetition(logit: f32, penalty: f32) -> f32 {
    if logit > 0.0 { logit / penalty } else { logit * penalty }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_penalty_takes_what_its_formula_says() {
        let tokenizer = crate::tokenize::test_support::byte_level();
        let penalized = |json: &str| {
            let mut penalties = Penalties::new(&crate::options::parse(Some(json)).unwrap(), &tokenizer);
            penalties.observe_prompt(&[0, 1]);
            penalties.observe(&[1, 2, 2]);
            let mut logits = [3.0, 1.0, -2.0, 0.5, f32::NEG_INFINITY];
            penalties.apply(&mut logits[..]);
            logits
        };
        let none = f32::NEG_INFINITY;
        assert_eq!(penalized("{}"), [3.0, 1.0, -2.0, 0.5, none]);
        // Of prompt and completion, and of the completion alone.
        assert_eq!(penalized(r#"{"repetition_penalty":2}"#), [1.5, 0.5, -4.0, 0.5, none]);
        assert_eq!(penalized(r#"{"presence_penalty":1.5}"#), [3.0, -0.5, -3.5, 0.5, none]);
        assert_eq!(penalized(r#"{"frequency_penalty":0.5}"#), [3.0, 0.5, -3.0, 0.5, none]);
        assert_eq!(penalized(r#"{"presence_penalty":-1,"frequency_penalty":0.25}"#), [3.0, 1.75, -1.5, 0.5, none]);
        assert_eq!(penalized(r#"{"logit_bias":{"0":-100,"3":0.5,"4":100,"99":1}}"#), [-97.0, 1.0, -2.0, 1.0, none]);
        // The bias comes first.
        assert_eq!(penalized(r#"{"logit_bias":{"0":1},"repetition_penalty":2}"#), [2.0, 0.5, -4.0, 0.5, none]);
        assert_eq!(penalized(r#"{"dry_multiplier":2,"dry_allowed_length":1}"#), [3.0, 1.0, -4.0, 0.5, none]);
    }
}
