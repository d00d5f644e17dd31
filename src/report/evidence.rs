//! What a conclusion on a text owes to the sentences that the case has, measured by leaving them out: the report is scored
//! again on the case without one. The influence is the share of the conclusion's probability that goes with it.

use super::Case;
use crate::control::Cancel;
use crate::error::Result;
use crate::generate::{Generation, Session};
use crate::passages::{Part, Passages};
use std::ops::Range;

/// With at most so many sentences each is left out; with more, whole passages, and then the sentences of those that matter.
const FEW: usize = 48;
/// Passages whose sentences are left out one by one.
const OPENED: usize = 3;
/// The least that counts as more than noise: what another wording of a case does to a probability.
const LEAST: f64 = 0.05;
/// Above the mean influence of what does not matter, in standard deviations.
const DEVIATIONS: f64 = 3.0;

/// The report's log-probabilities on the case, and on the case without each part.
pub(super) struct Evidence {
    spans: Vec<(usize, usize)>,
    whole: Vec<f32>,
    without: Vec<(Part, Vec<f32>)>,
}

/// How far each part of the case carries a conclusion.
pub(super) struct Carried<'e> {
    /// 0 to 1, the most influential first.
    pub(super) parts: Vec<(&'e Part, f64)>,
    /// What parts that do not matter reach by chance.
    pub(super) noise: f64,
}

impl Evidence {
    pub(super) fn measure(
        session: &mut Session,
        case: &Case<'_>,
        passages: &Passages,
        generation: &Generation,
        cancel: &Cancel,
    ) -> Result<Self> {
        let report: Vec<u32> = generation.tokens.iter().map(|token| token.id).collect();
        // The whole case first: the others begin as it does, up to what they lack.
        let mut leave_out = |parts: Vec<Part>| -> Result<Evidence> {
            let without = parts.iter().map(|part| passages.text_without(std::slice::from_ref(part)));
            let reading = |text: String| {
                let prompt = session.prompt_ids(&case.form.prompt(&text), case.generate)?;
                Ok((prompt, report.clone()))
            };
            let readings = std::iter::once(passages.text()).chain(without).map(reading).collect::<Result<Vec<_>>>()?;
            let mut scores = session.score_many(readings, cancel)?.into_iter();
            let whole = scores.next().unwrap_or_default();
            let spans = generation.tokens.iter().map(|token| (token.start, token.end)).collect();
            Ok(Evidence { spans, whole, without: parts.into_iter().zip(scores).collect() })
        };
        let sentences = passages.sentences();
        if sentences.len() <= FEW {
            return leave_out(sentences);
        }
        let mut evidence = leave_out(passages.each())?;
        let opened = evidence.most_influential(generation.text.len());
        let inside = |part: &Part| opened.iter().any(|passage| part.is_in(passage));
        let looked_into = leave_out(sentences.into_iter().filter(inside).take(FEW).collect())?.without;
        evidence.without.retain(|(passage, _)| !looked_into.iter().any(|(part, _)| part.is_in(passage)));
        evidence.without.extend(looked_into);
        Ok(evidence)
    }

    /// The passages without which the report is least probable.
    fn most_influential(&self, end: usize) -> Vec<Part> {
        let carried = self.on(&(0..end));
        carried.parts.into_iter().take(OPENED).map(|(part, _)| part.clone()).collect()
    }

    /// How far the parts carry the conclusion at the bytes `range` of the report.
    pub(super) fn on(&self, range: &Range<usize>) -> Carried<'_> {
        let mut parts: Vec<(&Part, f64)> =
            self.without.iter().map(|(part, scores)| (part, self.share(scores, range))).collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        // Most of a case has nothing to do with any one conclusion.
        let least: Vec<f64> = parts[parts.len().div_ceil(2)..].iter().map(|(_, share)| *share).collect();
        let noise = mean_and_deviation(&least).map_or(LEAST, |(mean, deviation)| mean + DEVIATIONS * deviation);
        Carried { parts, noise: noise.clamp(LEAST, 1.0) }
    }

    fn share(&self, without: &[f32], range: &Range<usize>) -> f64 {
        let scores = self.whole.iter().zip(without).zip(&self.spans);
        let of_range = scores.filter(|(_, (start, end))| *start < range.end && *end > range.start);
        let drop: f64 = of_range.map(|((with, without), _)| f64::from(*with) - f64::from(*without)).sum();
        1.0 - (-drop.max(0.0)).exp()
    }
}

fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (!values.is_empty()).then(|| (mean, variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of three tokens on a case of four sentences; each sentence's scores without it.
    fn evidence(without: [[f32; 3]; 4]) -> Evidence {
        let passages = Passages::parse("甲。乙。丙。丁。", &[]).unwrap();
        let parts = passages.sentences();
        assert_eq!(parts.len(), 4);
        let without = parts.into_iter().zip(without.map(Vec::from)).collect();
        Evidence { spans: vec![(0, 1), (1, 2), (2, 3)], whole: vec![-0.1, -0.2, -0.3], without }
    }

    #[test]
    fn a_conclusion_rests_on_what_it_is_improbable_without() {
        let same = [-0.1, -0.2, -0.3];
        let evidence = evidence([same, [-0.1, -0.2 - 2f32.ln(), -0.3], same, [-0.1, -0.1, -0.3]]);
        let carried = evidence.on(&(1..2));
        assert!((carried.parts[0].1 - 0.5).abs() < 1e-6, "half of its probability goes");
        assert_eq!(carried.parts[1].1, 0.0);
        assert!(carried.noise < 0.1 && carried.noise >= LEAST);
        assert!(evidence.on(&(2..3)).parts.iter().all(|(_, share)| *share == 0.0), "another conclusion");
    }

    #[test]
    fn noise_is_what_the_lesser_half_reaches() {
        let evidence = evidence([[-0.1, -1.2, -0.3], [-0.1, -0.6, -0.3], [-0.1, -0.5, -0.3], [-0.1, -0.3, -0.3]]);
        let carried = evidence.on(&(1..2));
        assert!(carried.noise > 0.3 && carried.noise < 0.6, "{}", carried.noise);
        assert!(carried.parts[0].1 > carried.noise && carried.parts[1].1 < carried.noise);
    }
}
