//! Draws from the largest logits alone, where the others cannot make a difference.
//!
//! Of the others it is known that none is above a bound, and, within a rounding, what all weigh together. A token is drawn
//! here only if any row of which the shortlist is true would give it: where it does not say, all logits decide. So a text is
//! the same whether or not there are shortlists.

use super::candidates::{Candidate, drawn};
use super::penalties::Scores;
use super::sampler::Sampler;
use crate::ops::select::Shortlist;
use llguidance::toktrie::SimpleVob;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Shortlisted scores, and what the others may be.
struct Scored<'l> {
    shortlist: &'l Shortlist,
    listed: Vec<(u32, f32)>,
    /// Where `listed` has a token; made when a penalty asks.
    places: HashMap<u32, usize>,
    /// By token that a penalty changes and that is not listed: what it is not above now.
    changed: HashMap<u32, f32>,
}

/// The scores that come first, whatever the others are.
struct Ranking {
    /// In the order of draws.
    first: Vec<(u32, f32)>,
    /// Whether there are no others.
    is_all: bool,
    best: f32,
}

impl Scores for Scored<'_> {
    /// Every change lets a larger logit stay the larger one, so what it makes of a bound is one.
    fn change(&mut self, token: u32, to: impl Fn(f32) -> f32) {
        if self.places.is_empty() {
            self.places = self.listed.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        }
        let bound = self.shortlist.bound;
        let score = match self.places.get(&token) {
            Some(place) => &mut self.listed[*place].1,
            None if bound == f32::NEG_INFINITY => return,
            None => self.changed.entry(token).or_insert(bound),
        };
        *score = to(*score).clamp(f32::MIN, f32::MAX);
    }
}

impl Sampler {
    /// The token that all logits would give, if the shortlist says it.
    pub(super) fn certain(&self, shortlist: &Shortlist, mask: Option<&SimpleVob>, chance: f64) -> Option<u32> {
        if !shortlist.is_sound() {
            return None;
        }
        let listed = shortlist.listed.clone();
        let mut scored = Scored { shortlist, listed, places: HashMap::new(), changed: HashMap::new() };
        self.penalties.apply(&mut scored);
        if let Some(mask) = mask {
            scored.listed.retain(|(id, _)| allows(mask, *id));
        }
        let ranking = scored.ranking()?;
        if self.temperature == 0.0 {
            let equal = ranking.first.iter().take_while(|(_, score)| *score == ranking.best);
            return equal.map(|(id, _)| *id).min();
        }
        let total = scored.total(&ranking, mask.is_some(), self.temperature);
        let [least, most] = [total.start(), total.end()].map(|total| self.of_total(&ranking, *total, chance));
        least.filter(|_| least == most)
    }

    /// The same if all scores weighed `total`.
    fn of_total(&self, ranking: &Ranking, total: f64, chance: f64) -> Option<u32> {
        let ran_out = Cell::new(false);
        let end = std::iter::from_fn(|| {
            ran_out.set(true);
            None
        });
        let best = f64::from(ranking.best);
        let candidate =
            |(id, score): &(u32, f32)| Candidate { id: *id, weight: weight(*score, best, self.temperature) };
        let ranked = ranking.first.iter().map(candidate).chain(end);
        let token = match self.has_filters() {
            false => drawn(ranked, total, chance),
            // Tokens of a typical surprise alone are looked for among all.
            true if !self.takes_the_first() => return None,
            true => {
                let candidates = self.filtered(ranked, || total);
                let total = candidates.iter().map(|candidate| candidate.weight).sum();
                drawn(candidates.into_iter(), total, chance)
            }
        };
        token.filter(|_| ranking.is_all || !ran_out.get())
    }
}

impl Scored<'_> {
    /// `None` if others may be as large as all of the listed ones.
    fn ranking(&self) -> Option<Ranking> {
        let bound = self.changed.values().copied().fold(self.shortlist.bound, f32::max);
        // Others that are equal to one of the listed may have a lower id once a penalty has changed that.
        let mut first: Vec<(u32, f32)> = self.listed.iter().copied().filter(|(_, score)| *score > bound).collect();
        first.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = first.first()?.1;
        Some(Ranking { first, is_all: bound == f32::NEG_INFINITY, best })
    }

    /// What all scores weigh together.
    fn total(&self, ranking: &Ranking, is_masked: bool, temperature: f64) -> RangeInclusive<f64> {
        let (best, error) = (f64::from(ranking.best), Shortlist::SUM_ERROR);
        let known: f64 = self.listed.iter().map(|(_, score)| weight(*score, best, temperature)).sum();
        if ranking.is_all {
            return known * (1.0 - error)..=known * (1.0 + error);
        }
        let (bound, max, sum) =
            (f64::from(self.shortlist.bound), f64::from(self.shortlist.max), f64::from(self.shortlist.sum));
        let of_listed: f64 = self.shortlist.listed.iter().map(|(_, logit)| weight(*logit, max, 1.0)).sum();
        let others = |sum: f64| (sum - of_listed).max(0.0);
        // exp((l − best) / t) = exp(l − max) · exp(l · (1/t − 1) + max − best / t), which grows with l where t is up to 1.
        let steeper = 1.0 / temperature - 1.0;
        let most = match steeper >= 0.0 {
            true => others(sum * (1.0 + error)) * (bound * steeper + max - best / temperature).exp(),
            false => f64::INFINITY,
        };
        let changed: f64 = self.changed.values().map(|bound| weight(*bound, best, temperature)).sum();
        let least = match !is_masked && steeper == 0.0 {
            true => {
                let before = self.changed.len() as f64 * weight(self.shortlist.bound, max, 1.0);
                (others(sum * (1.0 - error)) - before).max(0.0) * (max - best).exp()
            }
            false => 0.0,
        };
        (known + least) * (1.0 - error)..=(known + most + changed) * (1.0 + error)
    }
}

fn weight(score: f32, best: f64, temperature: f64) -> f64 {
    ((f64::from(score) - best) / temperature).exp()
}

fn allows(mask: &SimpleVob, id: u32) -> bool {
    mask.as_slice().get(id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::GenerateOptions;
    use crate::model::Row;
    use crate::tokenize::test_support::byte_level;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use serde_json::{Value, json};

    /// Some of the options that there are.
    fn options(rng: &mut StdRng, vocab: usize) -> Value {
        let mut options = json!({ "seed": rng.random::<u32>() });
        let mut maybe = |name: &str, values: &[Value]| {
            if rng.random::<f32>() < 0.35 {
                options[name] = values[rng.random_range(0..values.len())].clone();
            }
        };
        maybe("temperature", &[json!(1), json!(1), json!(0.7), json!(0.2), json!(1.3)]);
        maybe("temperature", &[json!(1), json!(0.9)]);
        maybe("top_k", &[json!(1), json!(5), json!(20), json!(1000)]);
        maybe("top_p", &[json!(0.5), json!(0.9), json!(0.99)]);
        maybe("min_p", &[json!(0.02), json!(0.2), json!(1)]);
        maybe("typical_p", &[json!(0.3), json!(0.9)]);
        maybe("repetition_penalty", &[json!(1.2), json!(2), json!(0.7)]);
        maybe("presence_penalty", &[json!(1), json!(-1)]);
        maybe("frequency_penalty", &[json!(0.5), json!(-0.2)]);
        maybe("dry_multiplier", &[json!(0.8)]);
        let token = rng.random_range(0..vocab).to_string();
        if rng.random::<f32>() < 0.3 {
            let bias = [-100.0, -2.0, 0.5, 4.0, 100.0][rng.random_range(0..5)];
            options["logit_bias"] = json!({ token: bias });
        }
        options
    }

    /// Logits of which a few stand out, as those of a model do; some of them in steps, so that there are equal ones.
    fn logits(rng: &mut StdRng, vocab: usize) -> Vec<f32> {
        let (step, peak) = ([0.0f32, 0.125, 1.0][rng.random_range(0..3)], [2.0f32, 8.0, 16.0][rng.random_range(0..3)]);
        let mut one = || {
            let logit = 3.0 * rng.random::<f32>() - 4.0 + peak * rng.random::<f32>().powi(30);
            if rng.random::<f32>() < 0.02 {
                return f32::NEG_INFINITY;
            }
            if step > 0.0 { (logit / step).round() * step } else { logit }
        };
        (0..vocab).map(|_| one()).collect()
    }

    #[test]
    fn what_a_shortlist_says_is_what_all_logits_say() {
        let mut rng = StdRng::seed_from_u64(11);
        let tokenizer = byte_level();
        let (mut said, mut asked) = (0, 0);
        for round in 0..3000 {
            let vocab = rng.random_range(30..400);
            let json = options(&mut rng, vocab).to_string();
            let options: GenerateOptions = crate::options::parse(Some(&json)).unwrap();
            let [mut of_lists, mut of_all] = [(); 2].map(|()| Sampler::new(&options, &tokenizer));
            for _ in 0..4 {
                let logits = logits(&mut rng, vocab);
                let count = rng.random_range(1..60);
                let mask = (round % 3 == 0).then(|| {
                    let mut mask = SimpleVob::alloc(vocab);
                    let share = [0.02, 0.5, 0.98][rng.random_range(0..3)];
                    (0..vocab).filter(|_| rng.random::<f32>() < share).for_each(|id| mask.allow_token(id as u32));
                    mask
                });
                let shortlist = Row::listing(logits.clone(), count);
                let chance = rng.random::<f64>();
                let certain = of_lists.certain(shortlist.shortlist().unwrap(), mask.as_ref(), chance);
                let whole = of_all.of_all(&logits, mask.as_ref(), chance).ok();
                (said, asked) = (said + usize::from(certain.is_some()), asked + 1);
                assert!(certain.is_none() || certain == whole, "{json}: {certain:?} {whole:?}, {count} of {vocab}");
                let [listed, whole] = [(&mut of_lists, shortlist), (&mut of_all, Row::whole(logits))]
                    .map(|(sampler, row)| sampler.sample(&row, mask.as_ref()).ok());
                assert_eq!(listed, whole, "{json}");
                let seen = [whole.unwrap_or(1), rng.random_range(0..vocab) as u32];
                [&mut of_lists, &mut of_all].into_iter().for_each(|sampler| sampler.observe(&seen));
            }
        }
        assert!(said * 3 > asked, "{said} of {asked}");
    }

    #[cfg(feature = "cuda-emulator")]
    #[test]
    fn draws_from_rows_of_a_card_are_those_of_the_host() {
        use crate::gpu::{Array, Element, Gpu};
        use crate::tensor::Matrix;
        let (gpu, tokenizer) = (Gpu::emulator(), byte_level());
        let mut rng = StdRng::seed_from_u64(5);
        for round in 0..60 {
            let (rows, vocab) = (4, [300, 1500, 6000][round % 3]);
            let values: Vec<f32> = (0..rows).flat_map(|_| logits(&mut rng, vocab)).collect();
            let element = [Element::F32, Element::Bf16][round % 2];
            let array = Array::upload_f32(&gpu, &values).unwrap().cast(element).unwrap();
            let values = array.download_f32().unwrap();
            let on_card = Row::all_of(Matrix::of_array(rows, vocab, array)).unwrap();
            for (row, all) in on_card.iter().zip(values.chunks_exact(vocab)) {
                assert_eq!(row.at(vocab as u32 - 1).unwrap(), all.last().copied());
                let options = options(&mut rng, vocab).to_string();
                let options: GenerateOptions = crate::options::parse(Some(&options)).unwrap();
                let drawn = [row, &Row::whole(all.to_vec())].map(|row| {
                    let mut sampler = Sampler::new(&options, &tokenizer);
                    let draw = |_| {
                        let id = sampler.sample(row, None).unwrap();
                        sampler.observe(&[id]);
                        id
                    };
                    (0..8).map(draw).collect::<Vec<_>>()
                });
                assert_eq!(drawn[0], drawn[1], "{options:?}");
                assert_eq!(row.all().unwrap(), all);
            }
        }
    }

    #[test]
    fn usual_draws_need_no_more_than_a_shortlist() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut logits: Vec<f32> = (0..20_000).map(|_| 6.0 * rng.random::<f32>() - 6.0).collect();
        (0..60).for_each(|id| logits[id * 321] = 14.0 - 0.2 * id as f32);
        let row = Row::listing(logits, 256);
        for json in [
            "{}",
            r#"{"repetition_penalty":1.1,"logit_bias":{"5":1}}"#,
            r#"{"temperature":1}"#,
            r#"{"temperature":0.7,"top_p":0.9}"#,
            r#"{"temperature":0.8,"top_k":40,"typical_p":0.9}"#,
            r#"{"temperature":1,"min_p":0.05,"presence_penalty":0.5}"#,
        ] {
            let mut sampler = Sampler::new(&crate::options::parse(Some(json)).unwrap(), &byte_level());
            sampler.observe(&[4, 5, 9000]);
            let draws = (0..1000).map(|i| sampler.certain(row.shortlist().unwrap(), None, f64::from(i) / 1000.0));
            let certain = draws.filter(Option::is_some).count();
            assert!(certain > 950, "{json}: {certain}");
        }
    }
}
