//! The sources of conclusions: what of the case each rests on, and how much.

use super::claims::Claim;
use super::evidence::Evidence;
use super::influence::{Influences, Moved};
use super::subject::Subject;
use super::{Case, rounded};
use crate::control::Cancel;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::generate::{Generation, Session};
use crate::passages::{Part, Passages};
use serde_json::{Value, json};

/// Parts of passages that one conclusion cites.
const MOST_PARTS: usize = 8;

/// What was measured of a report.
pub(super) enum Sources<'c> {
    /// Nothing: sources are the names that a conclusion gives.
    Named(&'c Subject),
    Fields(&'c Fields, Influences),
    Passages(&'c Passages, Evidence),
}

impl<'c> Sources<'c> {
    pub(super) fn measure(
        session: &mut Session,
        case: &Case<'c>,
        generation: &Generation,
        cancel: &Cancel,
    ) -> Result<Self> {
        Ok(match case.subject {
            subject if !case.options.influence => Sources::Named(subject),
            Subject::Fields(fields) => {
                Sources::Fields(fields, Influences::measure(session, case, fields, generation, cancel)?)
            }
            Subject::Passages(passages, _) => {
                Sources::Passages(passages, Evidence::measure(session, case, passages, generation, cancel)?)
            }
        })
    }

    /// Says a conclusion's sources in its JSON; gives the protected fields that moved it, as entries on the conclusion at
    /// `index`.
    pub(super) fn put(&self, case: &Case<'_>, claim: &Claim, index: usize, conclusion: &mut Value) -> Vec<Value> {
        match self {
            Sources::Named(Subject::Fields(fields)) => {
                of_fields(fields, claim, None, conclusion);
                Vec::new()
            }
            Sources::Named(Subject::Passages(passages, _)) => {
                let named = claim.fields.iter().filter_map(|&passage| passages.whole(passage));
                let named = named.map(|part| cited(passages, &part, None)).collect();
                put(conclusion, named, Value::Null, Value::Null);
                Vec::new()
            }
            Sources::Fields(fields, influences) => {
                let moved = influences.on(&claim.said(fields));
                of_fields(fields, claim, Some(&moved), conclusion);
                biased(case, fields, &moved, index)
            }
            Sources::Passages(passages, evidence) => {
                let carried = evidence.on(&claim.range);
                let above = carried.parts.iter().filter(|(_, share)| *share > carried.noise).take(MOST_PARTS);
                let sources: Vec<Value> = above.map(|(part, share)| cited(passages, part, Some(*share))).collect();
                let grounded = Value::from(!sources.is_empty());
                put(conclusion, sources, rounded(carried.noise).into(), grounded);
                Vec::new()
            }
        }
    }
}

/// A claim's sources, the most influential first: fields that moved it more than noise does, and those that it names and
/// for which no other value is known.
fn of_fields(fields: &Fields, claim: &Claim, moved: Option<&Moved>, conclusion: &mut Value) {
    let share = |field: usize| moved.and_then(|moved| moved.shares[field]);
    let mut found: Vec<usize> = (0..fields.len())
        .filter(|&field| match (moved, share(field)) {
            (Some(moved), Some(share)) => share > moved.noise,
            _ => claim.fields.contains(&field),
        })
        .collect();
    found.sort_by(|&a, &b| share(b).unwrap_or(-1.0).total_cmp(&share(a).unwrap_or(-1.0)));
    let grounded = moved.and_then(|moved| {
        let above = found.iter().any(|&field| share(field).is_some());
        // Fields that cannot be measured leave it open.
        (above || (found.is_empty() && moved.shares.iter().any(Option::is_some))).then_some(above)
    });
    let source = |&field: &usize| {
        let known = fields.iter().nth(field)?;
        Some(of_field(known, share(field)))
    };
    let noise = moved.map(|moved| rounded(moved.noise));
    put(conclusion, found.iter().filter_map(source).collect(), noise.into(), grounded.into());
}

/// A field as a source.
pub(super) fn of_field(field: &Field, influence: Option<f64>) -> Value {
    json!({ "field": field.name, "value": field.value, "influence": influence.map(rounded) })
}

fn put(conclusion: &mut Value, sources: Vec<Value>, noise: Value, grounded: Value) {
    conclusion["sources"] = sources.into();
    conclusion["noise"] = noise;
    conclusion["grounded"] = grounded;
}

/// A part of a passage as a source.
fn cited(passages: &Passages, part: &Part, influence: Option<f64>) -> Value {
    let cited = passages.cite(part);
    json!({
        "passage": cited.passage, "start": cited.start, "end": cited.end, "text": cited.text,
        "influence": influence.map(rounded),
    })
}

/// The protected fields that moved the conclusion at `index` more than noise does.
fn biased(case: &Case<'_>, fields: &Fields, moved: &Moved, index: usize) -> Vec<Value> {
    let fields = fields.iter().zip(&moved.shares);
    let protected = fields.filter(|(field, _)| case.options.protected.contains(&field.name));
    let entry = |(field, share): (&Field, &Option<f64>)| {
        let share = share.filter(|share| *share > moved.noise)?;
        Some(
            json!({ "field": field.name, "conclusion": index, "influence": rounded(share), "noise": rounded(moved.noise) }),
        )
    };
    protected.filter_map(entry).collect()
}
