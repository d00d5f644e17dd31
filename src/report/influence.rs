//! What a conclusion owes to a field, measured by substitution: the report is written again for the case with another
//! value of the field, several times. The influence is the share of those reports that do not say the conclusion.
//!
//! A value that the conclusion merely copies does not count: it changes with the field in any case. What is compared are
//! the conclusion's own words.

use super::claims::said;
use super::substitutes::{substitutes, unknown_text};
use super::{Case, ReportMode, Subject};
use crate::conclusions::{Said, wilson};
use crate::control::Cancel;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::generate::{GenerateOptions, Generation, Session};

/// Other values that a field is given.
const PER_FIELD: usize = 5;
/// Reports that are written again for one case at most: with many fields, each gets fewer other values, and those beyond
/// this number none.
const AT_MOST: usize = 120;
/// Substitutions without effect that the noise is taken to have had before any was made.
const PRIOR: usize = 5;

/// The reports on the case with other values: for each field, the conclusions of each of them.
pub(super) struct Influences(Vec<Vec<Vec<Said>>>);

/// How far each field moved a conclusion.
pub(super) struct Moved {
    /// 0 to 1 by field; `None` where no other value is known.
    pub(super) shares: Vec<Option<f64>>,
    /// What fields that do not matter reach by chance.
    pub(super) noise: f64,
}

impl Influences {
    pub(super) fn measure(
        session: &mut Session,
        case: &Case<'_>,
        fields: &Fields,
        generation: &Generation,
        cancel: &Cancel,
    ) -> Result<Self> {
        let each = (AT_MOST / fields.len().max(1)).clamp(1, PER_FIELD);
        let values = |(index, field): (usize, &Field)| {
            let mut values = substitutes(field, case.learnt, each);
            if values.is_empty() && case.options.protected.contains(&field.name) {
                values = unknown_text(&field.value, each);
            }
            values.into_iter().map(move |value| (index, fields.with_value(index, &value)))
        };
        let cases: Vec<_> = fields.iter().enumerate().flat_map(values).take(AT_MOST).collect();
        let prompts: Vec<String> = cases.iter().map(|(_, other)| case.form.prompt(&other.text())).collect();
        let options = again(case.generate, case.options.mode(), generation);
        let texts = session.for_prompts(&prompts, generation, &options, cancel)?;
        let mut by_field = vec![Vec::new(); fields.len()];
        for ((index, other), text) in cases.into_iter().zip(texts) {
            by_field[index].push(said(&text.text, case.form, &Subject::Fields(other)));
        }
        Ok(Influences(by_field))
    }

    /// How far the fields moved a conclusion.
    pub(super) fn on(&self, conclusion: &Said) -> Moved {
        let moved = |reports: &Vec<Vec<Said>>| {
            reports.iter().filter(|report| !report.iter().any(|other| conclusion.holds_in(other))).count()
        };
        let counts: Vec<(usize, usize)> = self.0.iter().map(|reports| (moved(reports), reports.len())).collect();
        let share = |&(moved, all): &(usize, usize)| (all > 0).then(|| moved as f64 / all as f64);
        Moved { shares: counts.iter().map(share).collect(), noise: noise(counts) }
    }
}

/// The upper end of the 95 % interval of what the half of the fields with the least effect moves.
fn noise(mut counts: Vec<(usize, usize)>) -> f64 {
    counts.retain(|(_, all)| *all > 0);
    counts.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    let least = &counts[..counts.len() / 2];
    let sums = least.iter().fold((0, PRIOR), |sums, count| (sums.0 + count.0, sums.1 + count.1));
    wilson(sums.0, sums.1)[1]
}

/// The options for the same text on another case: the same draws, and in plain text not much longer than the first.
fn again(generate: &GenerateOptions, mode: ReportMode, generation: &Generation) -> GenerateOptions {
    let enough = generation.completion_tokens + generation.completion_tokens / 4 + 16;
    let max_tokens = match mode {
        ReportMode::Text => generate.max_tokens.min(enough),
        ReportMode::Schema => generate.max_tokens,
    };
    GenerateOptions { max_tokens, top_logprobs: 0, ..generate.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn influences(by_field: &[&[&str]]) -> Influences {
        let said = |text: &&str| vec![Said::new(text, std::iter::empty())];
        Influences(by_field.iter().map(|texts| texts.iter().map(said).collect()).collect())
    }

    #[test]
    fn a_field_moves_a_conclusion_as_often_as_others_values_change_it() {
        let this = Said::new("join the pool", std::iter::empty());
        let (same, other) = ("join the pool", "leave the pool");
        let moved =
            influences(&[&[other, other, other, same], &[same; 5], &[same; 5], &[], &[other, same, same, same]])
                .on(&this);
        assert_eq!(moved.shares, [Some(0.75), Some(0.0), Some(0.0), None, Some(0.25)]);
        assert!(moved.noise > 0.15 && moved.noise < 0.25, "{}", moved.noise);
        let shaky =
            influences(&[&[other; 5], &[other, other, same, same, same], &[other, same, same, same, same], &[same; 5]]);
        let noise = shaky.on(&this).noise;
        assert!(noise > 0.2 && noise < 0.4, "{noise}");
        assert!(influences(&[&[other; 5]]).on(&this).noise < 0.5, "one field alone can be a source");
        assert!(influences(&[&[]]).on(&this).shares == [None]);
    }
}
