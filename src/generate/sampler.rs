//! From logits to a token: penalties, filters and one seeded draw.
//!
//! Log-probabilities are always the model's own, `log_softmax` of the raw logits: a report's confidence must not be
//! flattered by a low temperature or by a grammar that left only one token to choose from.

use super::GenerateOptions;
use crate::error::{Code, Error, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Chooses tokens; the same seed gives the same choices for the same logits.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f32,
    seen: HashSet<u32>,
    rng: StdRng,
}

/// A token that may be drawn: its logit, later its weight relative to the most probable one.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    value: f64,
}

impl Sampler {
    pub(crate) fn new(options: &GenerateOptions) -> Self {
        Sampler {
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
            min_p: options.min_p,
            repetition_penalty: options.repetition_penalty as f32,
            seen: HashSet::new(),
            rng: StdRng::seed_from_u64(options.seed),
        }
    }

    /// Makes tokens known to the repetition penalty.
    pub(crate) fn observe(&mut self, tokens: &[u32]) {
        if self.repetition_penalty != 1.0 {
            self.seen.extend(tokens);
        }
    }

    /// Draws one of the tokens for which `allowed` holds.
    pub(crate) fn sample(&mut self, logits: &[f32], allowed: impl Fn(u32) -> bool) -> Result<u32> {
        let penalized =
            (0u32..).zip(logits).filter(|(id, logit)| logit.is_finite() && allowed(*id)).map(|(id, &logit)| {
                let value = if self.seen.contains(&id) { penalize(logit, self.repetition_penalty) } else { logit };
                Candidate { id, value: f64::from(value) }
            });
        if self.temperature == 0.0 {
            return penalized.min_by(most_probable_first).map(|best| best.id).ok_or_else(no_candidate);
        }
        let mut candidates: Vec<Candidate> = penalized.collect();
        self.filter(&mut candidates);
        self.draw(&candidates)
    }

    /// Applies temperature, top-k, top-p and min-p; what is left has weights `exp(logit - best) ∈ (0, 1]`.
    fn filter(&self, candidates: &mut Vec<Candidate>) {
        if self.top_k > 0 && self.top_k < candidates.len() {
            candidates.select_nth_unstable_by(self.top_k - 1, most_probable_first);
            candidates.truncate(self.top_k);
        }
        candidates.sort_unstable_by(most_probable_first);
        let Some(best) = candidates.first().map(|best| best.value) else { return };
        for candidate in candidates.iter_mut() {
            candidate.value = ((candidate.value - best) / self.temperature).exp();
        }
        if self.top_p < 1.0 {
            let total: f64 = candidates.iter().map(|c| c.value).sum();
            let mut sum = 0.0;
            let cut = candidates.iter().position(|c| {
                sum += c.value;
                sum >= self.top_p * total
            });
            candidates.truncate(cut.map_or(candidates.len(), |cut| cut + 1));
        }
        let likely = candidates.partition_point(|c| c.value >= self.min_p);
        candidates.truncate(likely.max(1));
    }

    fn draw(&mut self, candidates: &[Candidate]) -> Result<u32> {
        let total: f64 = candidates.iter().map(|c| c.value).sum();
        let mut rest = self.rng.random::<f64>() * total;
        for candidate in candidates {
            rest -= candidate.value;
            if rest < 0.0 {
                return Ok(candidate.id);
            }
        }
        // Rounding may leave a crumb of `rest`; the draw then belongs to the last interval.
        candidates.last().map(|last| last.id).ok_or_else(no_candidate)
    }
}

/// Larger logits first; equal ones by id, so that a draw never depends on how a sort moved them.
fn most_probable_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.value.total_cmp(&a.value).then(a.id.cmp(&b.id))
}

/// Hugging Face's `RepetitionPenaltyLogitsProcessor` (Keskar et al. 2019, <https://arxiv.org/abs/1909.05858>).
fn penalize(logit: f32, penalty: f32) -> f32 {
    if logit > 0.0 { logit / penalty } else { logit * penalty }
}

fn no_candidate() -> Error {
    Error::new(Code::Internal, "no token may be generated here, although the grammar is not finished")
}

/// Fails on logits that are not numbers, which is how damaged weights or a diverged adapter show; returns the largest.
pub(crate) fn check_numbers(logits: &[f32]) -> Result<f32> {
    let mut max = f32::NEG_INFINITY;
    for (id, &logit) in logits.iter().enumerate() {
        if logit.is_nan() || logit == f32::INFINITY {
            return Err(Error::new(
                Code::ModelFormat,
                format!(
                    "the model gave the logit {logit} for token {id}; expected a number: its weights, or those of an \
                     attached adapter, are damaged, or an adapter's scale is far too large"
                ),
            )
            .with("token", id));
        }
        max = max.max(logit);
    }
    if max == f32::NEG_INFINITY {
        return Err(Error::new(Code::ModelFormat, "the model ruled out every token; its weights are damaged"));
    }
    Ok(max)
}

/// The model's log-probability of `id`, in nats.
pub(crate) fn log_probability(logits: &[f32], id: u32) -> Result<f32> {
    let max = check_numbers(logits)?;
    let logit = logits.get(id as usize).copied().ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("token {id} is outside the model's vocabulary of {}", logits.len()))
            .with("token", id)
    })?;
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - max).exp())).sum();
    Ok((f64::from(logit) - f64::from(max) - sum.ln()) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(json: &str) -> Sampler {
        Sampler::new(&crate::options::parse::<GenerateOptions>(Some(json)).unwrap())
    }

    fn draws(json: &str, logits: &[f32], n: usize) -> Vec<u32> {
        let mut sampler = sampler(json);
        (0..n).map(|_| sampler.sample(logits, |_| true).unwrap()).collect()
    }

    #[test]
    fn greedy_takes_the_best_allowed_token_and_the_lowest_id_of_equals() {
        let logits = [1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(sampler("{}").sample(&logits, |_| true).unwrap(), 1);
        assert_eq!(sampler("{}").sample(&logits, |id| id != 1).unwrap(), 2);
        assert_eq!(sampler("{}").sample(&logits, |id| id == 3).unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let logits = [0.7f32.ln(), 0.2f32.ln(), 0.1f32.ln()];
        let drawn = draws(r#"{"temperature":1,"seed":3}"#, &logits, 20_000);
        for (id, expected) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
            let share = drawn.iter().filter(|&&d| d == id).count() as f64 / drawn.len() as f64;
            assert!((share - expected).abs() < 0.015, "token {id}: {share}");
        }
    }

    #[test]
    fn the_temperature_sharpens_and_flattens() {
        let logits = [2.0, 1.0];
        let share = |t: &str| {
            let drawn = draws(&format!(r#"{{"temperature":{t}}}"#), &logits, 20_000);
            drawn.iter().filter(|&&d| d == 0).count() as f64 / drawn.len() as f64
        };
        for (t, expected) in [("0.5", 1.0 / (1.0 + (-2f64).exp())), ("2", 1.0 / (1.0 + (-0.5f64).exp()))] {
            assert!((share(t) - expected).abs() < 0.015, "{t}: {} {expected}", share(t));
        }
    }

    #[test]
    fn filters_keep_what_they_say() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.15f32.ln(), 0.05f32.ln()];
        let candidates = |json: &str| {
            let mut drawn = draws(json, &logits, 4000);
            drawn.sort_unstable();
            drawn.dedup();
            drawn
        };
        assert_eq!(candidates(r#"{"temperature":1}"#), [0, 1, 2, 3]);
        assert_eq!(candidates(r#"{"temperature":1,"top_k":2}"#), [0, 1]);
        assert_eq!(candidates(r#"{"temperature":1,"top_k":99}"#), [0, 1, 2, 3]);
        assert_eq!(candidates(r#"{"temperature":1,"top_p":0.75}"#), [0, 1]);
        assert_eq!(candidates(r#"{"temperature":1,"top_p":0.0001}"#), [0]);
        assert_eq!(candidates(r#"{"temperature":1,"min_p":0.25}"#), [0, 1, 2]);
        assert_eq!(candidates(r#"{"temperature":1,"min_p":1}"#), [0]);
        // The temperature comes first: flattened, 0.15 is above half of the best.
        assert_eq!(candidates(r#"{"temperature":2,"min_p":0.5}"#), [0, 1, 2]);
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let logits = [0.0; 50];
        let a = draws(r#"{"temperature":1,"seed":7}"#, &logits, 40);
        assert_eq!(a, draws(r#"{"temperature":1,"seed":7}"#, &logits, 40));
        assert_ne!(a, draws(r#"{"temperature":1,"seed":8}"#, &logits, 40));
    }

    #[test]
    fn the_penalty_moves_logits_of_seen_tokens_down_on_both_sides_of_zero() {
        let mut sampler = sampler(r#"{"repetition_penalty":2}"#);
        sampler.observe(&[0]);
        assert_eq!(sampler.sample(&[1.5, 1.0], |_| true).unwrap(), 1);
        assert_eq!(sampler.sample(&[-1.0, -1.5], |_| true).unwrap(), 1);
        assert_eq!(sampler.sample(&[-1.0, -2.5], |_| true).unwrap(), 0);
    }

    #[test]
    fn log_probabilities_are_those_of_the_raw_logits() {
        let logits = [1000.0, 999.0, f32::NEG_INFINITY];
        let expected = -(1.0 + (-1f64).exp()).ln();
        assert!((f64::from(log_probability(&logits, 0).unwrap()) - expected).abs() < 1e-6);
        assert_eq!(log_probability(&logits, 2).unwrap(), f32::NEG_INFINITY);
        assert_eq!(log_probability(&logits, 3).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn logits_that_are_not_numbers_are_an_error_that_says_so() {
        for bad in [f32::NAN, f32::INFINITY] {
            let err = log_probability(&[0.0, bad], 0).unwrap_err();
            assert_eq!(err.code(), Code::ModelFormat);
            assert_eq!(err.details()["token"], 1);
        }
        assert!(log_probability(&[f32::NEG_INFINITY; 3], 0).is_err());
    }
}
