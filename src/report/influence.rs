//! What a conclusion owes to a field, measured by leaving the field out.
//!
//! The same report is scored again after an input without the field, under the same adapters. The influence is the
//! drop of the conclusion's log-probability in nats: above 0 the field made the model say it, about 0 it would have
//! said it anyway, below 0 it said it in spite of the field.

use super::fields::Fields;
use crate::control::Cancel;
use crate::error::Result;
use crate::generate::{GenerateOptions, Generation, Session};
use std::ops::Range;

/// Log-probabilities of a report's tokens, with all fields and without one.
pub(crate) struct Influence<'a> {
    fields: &'a Fields,
    options: &'a GenerateOptions,
    completion: Vec<u32>,
    spans: Vec<(usize, usize)>,
    with_all: Vec<f32>,
    /// By field; `None` until asked for.
    without: Vec<Option<Vec<f32>>>,
}

impl<'a> Influence<'a> {
    /// Scores the report as it was generated.
    pub(crate) fn new(
        session: &mut Session,
        fields: &'a Fields,
        options: &'a GenerateOptions,
        generation: &Generation,
        cancel: &Cancel,
    ) -> Result<Self> {
        let completion: Vec<u32> = generation.tokens.iter().map(|token| token.id).collect();
        let prompt = session.prompt_ids(&fields.text(), options)?;
        Ok(Influence {
            fields,
            options,
            with_all: session.score(&prompt, &completion, cancel)?,
            completion,
            spans: generation.tokens.iter().map(|token| (token.start, token.end)).collect(),
            without: vec![None; fields.len()],
        })
    }

    /// The influence of `field` on the tokens that wrote the bytes `range` of the report.
    pub(crate) fn of(
        &mut self,
        session: &mut Session,
        field: usize,
        range: &Range<usize>,
        cancel: &Cancel,
    ) -> Result<f64> {
        if self.without[field].is_none() {
            let prompt = session.prompt_ids(&self.fields.text_without(field..field + 1), self.options)?;
            self.without[field] = Some(session.score(&prompt, &self.completion, cancel)?);
        }
        let without = self.without[field].as_deref().unwrap_or_default();
        let scores = self.with_all.iter().zip(without).zip(&self.spans);
        let of_range = scores.filter(|(_, (start, end))| *start < range.end && *end > range.start);
        Ok(of_range.map(|((with, without), _)| f64::from(*with) - f64::from(*without)).sum())
    }
}
