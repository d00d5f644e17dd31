//! From logits to a token: penalties, filters and one seeded draw.

use super::GenerateOptions;
use super::candidates::{Candidate, drawn, typical};
use super::penalties::Penalties;
use super::ranked::{Ranked, restrict};
use crate::error::{Code, Error, Result};
use crate::model::Row;
use crate::tensor::exp::{exp_sum_f64, largest};
use crate::tensor::simd::vectorized;
use crate::tokenize::Tokenizer;
use llguidance::toktrie::SimpleVob;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Chooses tokens; the same seed gives the same choices for the same logits.
#[derive(Debug)]
pub(crate) struct Sampler {
    pub(super) penalties: Penalties,
    pub(super) temperature: f64,
    top_k: usize,
    top_p: f64,
    min_p: f64,
    typical_p: f64,
    rng: StdRng,
    /// The logits after penalties and grammar, of the last choice.
    scores: Vec<f32>,
}

impl Sampler {
    pub(crate) fn new(options: &GenerateOptions, tokenizer: &Tokenizer) -> Self {
        Sampler {
            penalties: Penalties::new(options, tokenizer),
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
            min_p: options.min_p,
            typical_p: options.typical_p,
            rng: StdRng::seed_from_u64(options.seed),
            scores: Vec::new(),
        }
    }

    /// Makes the tokens of the prompt known.
    pub(crate) fn observe_prompt(&mut self, tokens: &[u32]) {
        self.penalties.observe_prompt(tokens);
    }

    /// Makes tokens of the completion known.
    pub(crate) fn observe(&mut self, tokens: &[u32]) {
        self.penalties.observe(tokens);
    }

    /// Knows no more than a prompt and the beginning of its completion; the draws go on.
    pub(crate) fn begin_again(&mut self, prompt: &[u32], tokens: &[u32]) {
        self.penalties.forget();
        self.observe_prompt(prompt);
        self.observe(tokens);
    }

    /// Draws one of the tokens of `mask`, or any.
    pub(crate) fn sample(&mut self, logits: &Row, mask: Option<&SimpleVob>) -> Result<u32> {
        // Between 0 and 1. The best token takes none, so that the next draw has it.
        let chance = if self.temperature == 0.0 { 0.0 } else { self.rng.random::<f64>() };
        match logits.shortlist().and_then(|shortlist| self.certain(shortlist, mask, chance)) {
            Some(id) => Ok(id),
            None => self.of_all(logits.all()?, mask, chance),
        }
    }

    /// The same from all logits.
    pub(super) fn of_all(&mut self, logits: &[f32], mask: Option<&SimpleVob>, chance: f64) -> Result<u32> {
        let mut scores = std::mem::take(&mut self.scores);
        scores.clear();
        scores.extend_from_slice(logits);
        self.penalties.apply(&mut scores[..]);
        if let Some(mask) = mask {
            restrict(&mut scores, mask);
        }
        let drawn = self.draw(&scores, chance);
        self.scores = scores;
        drawn.ok_or_else(|| {
            Error::new(Code::Internal, "no token may be generated here, although the grammar is not finished")
        })
    }

    /// `None` if there is no token.
    fn draw(&self, scores: &[f32], chance: f64) -> Option<u32> {
        let best = vectorized(
            #[inline(always)]
            || largest(scores),
        );
        if best == f32::NEG_INFINITY {
            return None;
        }
        if self.temperature == 0.0 {
            return scores.iter().position(|&score| score == best).map(|id| id as u32);
        }
        if self.has_filters() {
            let candidates = self.candidates(scores, best);
            let total = candidates.iter().map(|candidate| candidate.weight).sum();
            return drawn(candidates.into_iter(), total, chance);
        }
        let total = self.total(scores, best);
        let (temperature, mut ranked) = (self.temperature, Ranked::new(scores));
        let ranked = std::iter::from_fn(|| {
            ranked.next().map(|id| Candidate { id, weight: weight(scores, id, best, temperature) })
        });
        drawn(ranked, total, chance)
    }

    pub(super) fn has_filters(&self) -> bool {
        self.top_k > 0 || self.top_p < 1.0 || self.min_p > 0.0 || self.typical_p < 1.0
    }

    /// What temperature, top-k, top-p, min-p and typical-p leave.
    fn candidates(&self, scores: &[f32], best: f32) -> Vec<Candidate> {
        let candidate = |id: u32| Candidate { id, weight: weight(scores, id, best, self.temperature) };
        if self.takes_the_first() {
            return self.filtered(Ranked::new(scores).map(candidate), || self.total(scores, best));
        }
        let possible = (0u32..).zip(scores).filter(|(_, score)| **score > f32::NEG_INFINITY);
        let mut candidates = possible.map(|(id, _)| candidate(id)).collect();
        typical(&mut candidates, self.typical_p);
        candidates
    }

    /// Whether a filter leaves the first of ranked candidates.
    pub(super) fn takes_the_first(&self) -> bool {
        self.top_k > 0 || self.top_p < 1.0 || self.min_p > 0.0
    }

    /// What such filters leave, and typical-p of that. `total` is that of all of them.
    pub(super) fn filtered(
        &self,
        ranked: impl Iterator<Item = Candidate>,
        total: impl FnOnce() -> f64,
    ) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        if self.top_k > 0 {
            candidates.extend(ranked.take(self.top_k));
            let total = if self.top_p < 1.0 { candidates.iter().map(|candidate| candidate.weight).sum() } else { 0.0 };
            let count = self.probable(candidates.iter().copied(), total).count();
            candidates.truncate(count);
        } else {
            let total = if self.top_p < 1.0 { total() } else { 0.0 };
            candidates.extend(self.probable(ranked, total));
        }
        if self.typical_p < 1.0 {
            typical(&mut candidates, self.typical_p);
        }
        candidates
    }

    /// The beginning of ranked candidates that top-p and min-p leave; at least the first. `total` is that of all of them.
    fn probable(&self, ranked: impl Iterator<Item = Candidate>, total: f64) -> impl Iterator<Item = Candidate> {
        let (top_p, min_p) = (self.top_p, self.min_p);
        let mut before = 0.0;
        ranked.take_while(move |candidate| {
            let is_first = before == 0.0;
            let probable = (top_p == 1.0 || before < top_p * total) && candidate.weight >= min_p;
            before += candidate.weight;
            is_first || probable
        })
    }

    fn total(&self, scores: &[f32], best: f32) -> f64 {
        vectorized(
            #[inline(always)]
            || exp_sum_f64(scores, best, 1.0 / self.temperature),
        )
    }
}

fn weight(scores: &[f32], id: u32, best: f32, temperature: f64) -> f64 {
    ((f64::from(scores[id as usize]) - f64::from(best)) / temperature).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::tokenize::test_support::byte_level;

    fn sampler(json: &str) -> Sampler {
        Sampler::new(&crate::options::parse::<GenerateOptions>(Some(json)).unwrap(), &byte_level())
    }

    fn sample(sampler: &mut Sampler, logits: &[f32], mask: Option<&SimpleVob>) -> Result<u32> {
        sampler.sample(&Row::whole(logits.to_vec()), mask)
    }

    fn draws(json: &str, logits: &[f32], n: usize) -> Vec<u32> {
        let mut sampler = sampler(json);
        (0..n).map(|_| sample(&mut sampler, logits, None).unwrap()).collect()
    }

    fn allowing(tokens: &[u32]) -> SimpleVob {
        let mut mask = SimpleVob::alloc(4);
        tokens.iter().for_each(|&token| mask.allow_token(token));
        mask
    }

    #[test]
    fn greedy_takes_the_best_allowed_token_and_the_lowest_id_of_equals() {
        let logits = [1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(sample(&mut sampler("{}"), &logits, None).unwrap(), 1);
        assert_eq!(sample(&mut sampler("{}"), &logits, Some(&allowing(&[0, 2, 3]))).unwrap(), 2);
        assert_eq!(sample(&mut sampler("{}"), &logits, Some(&allowing(&[3]))).unwrap_err().code(), Code::Internal);
        assert_eq!(sample(&mut sampler(r#"{"temperature":1}"#), &logits, Some(&allowing(&[0]))).unwrap(), 0);
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

    fn candidates(json: &str, logits: &[f32]) -> Vec<Candidate> {
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        sampler(json).candidates(logits, best)
    }

    #[test]
    fn filters_leave_the_most_probable_tokens() {
        let logits: Vec<f32> = [0.5f32, 0.25, 0.15, 0.1].iter().map(|p| p.ln()).collect();
        let ids = |json: &str| candidates(json, &logits).iter().map(|candidate| candidate.id).collect::<Vec<_>>();
        for (json, expected) in [
            (r#"{"temperature":1,"top_k":2}"#, &[0, 1][..]),
            (r#"{"temperature":1,"top_k":99}"#, &[0, 1, 2, 3]),
            (r#"{"temperature":1,"top_p":0.75}"#, &[0, 1]),
            (r#"{"temperature":1,"top_p":0.0001}"#, &[0]),
            (r#"{"temperature":1,"min_p":0.25}"#, &[0, 1, 2]),
            (r#"{"temperature":1,"min_p":1}"#, &[0]),
            (r#"{"temperature":2,"min_p":0.5}"#, &[0, 1, 2]),
            (r#"{"temperature":1,"top_k":3,"top_p":0.8}"#, &[0, 1]),
        ] {
            assert_eq!(ids(json), expected, "{json}");
        }
    }

    /// `tests/reference/make_samplers.py`
    #[test]
    fn the_probabilities_are_those_of_transformers() {
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/samplers/expected.json")).unwrap();
        let logits: Vec<f32> = serde_json::from_value(expected["logits"].clone()).unwrap();
        let seen: Vec<u32> = serde_json::from_value(expected["seen"].clone()).unwrap();
        for case in expected["cases"].as_array().unwrap() {
            let mut sampler = sampler(&case["options"].to_string());
            sampler.observe(&seen);
            let mut scores = logits.clone();
            sampler.penalties.apply(&mut scores[..]);
            let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut left = sampler.candidates(&scores, best);
            left.sort_by_key(|candidate| candidate.id);
            let total: f64 = left.iter().map(|candidate| candidate.weight).sum();
            let ids: Vec<u32> = left.iter().map(|candidate| candidate.id).collect();
            assert_eq!(serde_json::to_value(ids).unwrap(), case["tokens"], "{}", case["options"]);
            for (candidate, expected) in left.iter().zip(case["probabilities"].as_array().unwrap()) {
                let (found, expected) = (candidate.weight / total, expected.as_f64().unwrap());
                assert!((found - expected).abs() < 1e-6 + 1e-5 * expected, "{}: {found} {expected}", case["options"]);
            }
        }
    }

    /// What a draw was when all tokens were sorted for it.
    fn drawn_from_sorted(json: &str, logits: &[f32]) -> u32 {
        let options: GenerateOptions = crate::options::parse(Some(json)).unwrap();
        let mut sorted: Vec<u32> = (0..logits.len() as u32).collect();
        sorted.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        if options.top_k > 0 {
            sorted.truncate(options.top_k);
        }
        let best = logits[sorted[0] as usize];
        let mut weights: Vec<f64> = sorted.iter().map(|&id| weight(logits, id, best, options.temperature)).collect();
        let (total, mut sum) = (weights.iter().sum::<f64>(), 0.0);
        let crosses = |weight: &f64| {
            sum += weight;
            sum >= options.top_p * total
        };
        if let Some(last) = weights.iter().position(crosses).filter(|_| options.top_p < 1.0) {
            weights.truncate(last + 1);
        }
        weights.retain(|weight| *weight >= options.min_p);
        let mut rest = StdRng::seed_from_u64(options.seed).random::<f64>() * weights.iter().sum::<f64>();
        let crosses = |weight: &f64| {
            rest -= weight;
            rest < 0.0
        };
        sorted[weights.iter().position(crosses).unwrap_or(weights.len() - 1)]
    }

    #[test]
    fn a_seed_draws_what_it_drew_from_sorted_tokens() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut tail = 0;
        for seed in 0..400 {
            let range = [1.0f32, 4.0, 6.0][seed % 3];
            let mut logits: Vec<f32> = (0..2000).map(|_| rng.random::<f32>() * range).collect();
            // Of some, the best stands out, and the others together weigh as much.
            logits[7] = range + [0.0, 0.0, 4.0][seed % 3];
            for filters in ["", r#","top_k":50"#, r#","top_p":0.9"#, r#","min_p":0.3,"top_p":0.99"#] {
                let json = format!(r#"{{"temperature":0.9,"seed":{seed}{filters}}}"#);
                let drawn = draws(&json, &logits, 1)[0];
                assert_eq!(drawn, drawn_from_sorted(&json, &logits), "{json}");
                tail += usize::from(logits[drawn as usize] < logits[7] - 4.0);
            }
        }
        assert!(tail > 20, "{tail}");
    }

    #[test]
    fn penalties_change_the_choice() {
        let mut sampler = sampler(r#"{"repetition_penalty":2}"#);
        sampler.observe(&[0]);
        assert_eq!(sample(&mut sampler, &[1.5, 1.0], None).unwrap(), 1);
        assert_eq!(sample(&mut sampler, &[-1.0, -1.5], None).unwrap(), 1);
        assert_eq!(sample(&mut sampler, &[-1.0, -2.5], None).unwrap(), 0);
    }
}
