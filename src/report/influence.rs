//! What a conclusion owes to a field, measured by leaving the field out.
//!
//! The same report is scored again after an input without the field, under the same adapters. The influence is the
//! drop of the conclusion's log-probability in nats: above 0 the field made the model say it, about 0 it would have
//! said it anyway, below 0 it said it in spite of the field.
//!
//! Each reading costs what a prompt costs, so in a case of many fields the one that matters most is not looked for among
//! all: blocks of neighbours are left out first, and then each field of the two blocks that matter most.

use super::fields::Fields;
use crate::control::Cancel;
use crate::error::Result;
use crate::generate::{GenerateOptions, Generation, Session};
use std::collections::HashMap;
use std::ops::Range;

/// With at most so many fields each is left out.
const FEW: usize = 24;
/// Blocks that are looked into.
const OPENED: usize = 2;

/// Log-probabilities of a report's tokens, with all fields and without some.
pub(crate) struct Influence<'a> {
    fields: &'a Fields,
    options: &'a GenerateOptions,
    completion: Vec<u32>,
    spans: Vec<(usize, usize)>,
    with_all: Vec<f32>,
    /// By the fields left out.
    without: HashMap<Range<usize>, Vec<f32>>,
}

impl<'a> Influence<'a> {
    /// Scores the report as it was generated, up to its byte `end`.
    pub(crate) fn new(
        session: &mut Session,
        fields: &'a Fields,
        options: &'a GenerateOptions,
        generation: &Generation,
        end: usize,
        cancel: &Cancel,
    ) -> Result<Self> {
        let scored = generation.tokens.iter().take_while(|token| token.start < end);
        let completion: Vec<u32> = scored.clone().map(|token| token.id).collect();
        let prompt = session.prompt_ids(&fields.text(), options)?;
        Ok(Influence {
            fields,
            options,
            with_all: session.score(&prompt, &completion, cancel)?,
            completion,
            spans: scored.map(|token| (token.start, token.end)).collect(),
            without: HashMap::new(),
        })
    }

    /// The influence of neighbouring fields on the tokens that wrote the bytes `range` of the report.
    pub(crate) fn of(
        &mut self,
        session: &mut Session,
        left_out: Range<usize>,
        range: &Range<usize>,
        cancel: &Cancel,
    ) -> Result<f64> {
        if !self.without.contains_key(&left_out) {
            let prompt = session.prompt_ids(&self.fields.text_without(left_out.clone()), self.options)?;
            let scores = session.score(&prompt, &self.completion, cancel)?;
            self.without.insert(left_out.clone(), scores);
        }
        let without = self.without.get(&left_out).map(Vec::as_slice).unwrap_or_default();
        let scores = self.with_all.iter().zip(without).zip(&self.spans);
        let of_range = scores.filter(|(_, (start, end))| *start < range.end && *end > range.start);
        Ok(of_range.map(|((with, without), _)| f64::from(*with) - f64::from(*without)).sum())
    }

    /// The fields among which the one is that influenced these bytes most: all, or those of the blocks that did.
    pub(crate) fn candidates(
        &mut self,
        session: &mut Session,
        range: &Range<usize>,
        cancel: &Cancel,
    ) -> Result<Vec<usize>> {
        let count = self.fields.len();
        if count <= FEW {
            return Ok((0..count).collect());
        }
        let size = count.isqrt();
        let mut blocks = Vec::with_capacity(count.div_ceil(size));
        for start in (0..count).step_by(size) {
            let block = start..(start + size).min(count);
            blocks.push((self.of(session, block.clone(), range, cancel)?, block));
        }
        blocks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.start.cmp(&b.1.start)));
        Ok(blocks.into_iter().take(OPENED).flat_map(|(_, block)| block).collect())
    }

    /// How often prompt and report were read.
    #[cfg(test)]
    pub(crate) fn readings(&self) -> usize {
        1 + self.without.len()
    }
}
