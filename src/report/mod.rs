//! Reports: the fields of a case in, a JSON document with sourced conclusions out.
//!
//! ```text
//! input → fields → prompt → generation → conclusions → confidence (deciding tokens, variants, calibration)
//!                                                   ↘ sources (the report on the case with other values)
//! ```
//!
//! Both modes end in one envelope, `report.schema.json`.

mod claims;
mod confidence;
mod document;
mod influence;
mod options;
mod schema;
mod substitutes;
mod unsupported;

pub use options::{ReportMode, ReportOptions};

use crate::adapter::learnt::LearntRows;
use crate::conclusions::{TOP, VARIANTS, signals};
use crate::control::Cancel;
use crate::error::Result;
use crate::fields::Fields;
use crate::generate::{GenerateOptions, Generation, Session, check_schema_size};
use crate::options::Options;
use crate::own_stack::on_own_stack;
use claims::{Claim, Written, said};
use confidence::Confidences;
use influence::{Influences, Moved};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of every report.
pub const REPORT_SCHEMA: &str = include_str!("report.schema.json");

/// Writes the report on one case, `input` being a line of fields, a JSON object of fields, or a table of one case.
///
/// # Errors
/// `Code::InvalidArgument` for an input without fields or with a field twice, `Code::ContextLength` for one that does
/// not fit, `Code::Schema` for a schema that cannot be followed, `Code::Cancelled`.
pub fn report(session: &mut Session, input: &str, options: &ReportOptions, cancel: &Cancel) -> Result<Value> {
    options.validate()?;
    let learnt = learnt_rows(session);
    let fields = Fields::parse(input)?.in_order_of(learnt.fields.iter().map(|field| field.name.as_str()));
    let generate = generate_options(&fields, options)?;
    // What every report ends with; better refused before the text is written.
    session.model().sha256()?;
    let texts = session.with_variants(&fields.text(), &generate, VARIANTS, cancel)?;
    let Some((generation, variants)) = texts.split_first() else { return Ok(Value::Null) };
    let mut written = Written::read(&generation.text, options.mode(), &fields)?;
    written.claims.truncate(options.max_conclusions);
    let case = Case { fields: &fields, learnt: &learnt, options, generate: &generate };
    let (conclusions, bias) = measure(session, &case, generation, variants, &written.claims, cancel)?;
    let mut envelope = envelope(session, written.text, conclusions, generation)?;
    if options.schema.is_some() {
        envelope["document"] = written.document.into();
    }
    if !options.protected.is_empty() {
        envelope["bias"] = bias.into();
    }
    Ok(envelope)
}

/// What is reported on, and how.
struct Case<'a> {
    fields: &'a Fields,
    learnt: &'a LearntRows,
    options: &'a ReportOptions,
    /// How its text is generated.
    generate: &'a GenerateOptions,
}

/// What the session's adapters know of their training rows.
fn learnt_rows(session: &Session) -> LearntRows {
    let mut learnt = LearntRows::default();
    session.attached().iter().for_each(|attached| learnt.join(&attached.adapter.manifest().learnt));
    learnt
}

fn generate_options(fields: &Fields, options: &ReportOptions) -> Result<GenerateOptions> {
    let json_schema = match (options.mode(), &options.schema) {
        (ReportMode::Text, _) => None,
        (ReportMode::Schema, None) => Some(schema::built_in(fields, options.max_conclusions)),
        (ReportMode::Schema, Some(host)) => {
            check_schema_size(host)?;
            Some(on_own_stack(|| schema::with_fields(host, fields))??)
        }
    };
    Ok(GenerateOptions { json_schema, top_logprobs: TOP, ..options.generate.clone() })
}

/// The conclusions with their confidence and sources; and the protected fields that moved one.
fn measure(
    session: &mut Session,
    case: &Case<'_>,
    generation: &Generation,
    variants: &[Generation],
    claims: &[Claim],
    cancel: &Cancel,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let mode = case.options.mode();
    let confidences = Confidences::of(session, mode)?;
    let variants: Vec<_> = variants.iter().map(|variant| said(&variant.text, mode, case.fields)).collect();
    let influences = match case.options.influence && !claims.is_empty() {
        true => Some(Influences::measure(session, case, generation, cancel)?),
        false => None,
    };
    let (mut conclusions, mut bias) = (Vec::with_capacity(claims.len()), Vec::new());
    for (index, claim) in claims.iter().enumerate() {
        let this = claim.said(case.fields);
        let mut conclusion = json!({ "kind": claim.kind.name(), "text": claim.text });
        confidences.put(signals(generation, &claim.range, &this, &variants), &mut conclusion);
        let moved = influences.as_ref().map(|influences| influences.on(&this));
        sources(case.fields, claim, moved.as_ref(), &mut conclusion);
        conclusion["unsupported"] = unsupported::in_claim(&claim.text, case.fields, case.learnt).into();
        conclusions.push(conclusion);
        bias.extend(moved.iter().flat_map(|moved| biased(case, moved, index)));
    }
    Ok((conclusions, bias))
}

/// A claim's sources, the most influential first: fields that moved it more than noise does, and those that it names and
/// for which no other value is known.
fn sources(fields: &Fields, claim: &Claim, moved: Option<&Moved>, conclusion: &mut Value) {
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
        Some(json!({ "field": known.name, "value": known.value, "influence": share(field).map(rounded) }))
    };
    conclusion["sources"] = found.iter().filter_map(source).collect();
    conclusion["noise"] = moved.map(|moved| rounded(moved.noise)).into();
    conclusion["grounded"] = grounded.into();
}

/// The protected fields that moved the conclusion at `index` more than noise does.
fn biased(case: &Case<'_>, moved: &Moved, index: usize) -> Vec<Value> {
    let fields = case.fields.iter().zip(&moved.shares);
    let protected = fields.filter(|(field, _)| case.options.protected.contains(&field.name));
    let entry = |(field, share): (&crate::fields::Field, &Option<f64>)| {
        let share = share.filter(|share| *share > moved.noise)?;
        Some(
            json!({ "field": field.name, "conclusion": index, "influence": rounded(share), "noise": rounded(moved.noise) }),
        )
    };
    protected.filter_map(entry).collect()
}

/// To six decimals: float32 sums carry no more.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn envelope(session: &Session, report: String, conclusions: Vec<Value>, generation: &Generation) -> Result<Value> {
    let model = session.model();
    let adapters = session.attached().iter().map(|attached| {
        json!({ "name": attached.adapter.name(), "version": attached.adapter.version(), "scale": attached.scale })
    });
    Ok(json!({
        "schema": "tailora.report/1",
        "report": report,
        "conclusions": conclusions,
        "model": { "name": model.name(), "sha256": model.sha256()? },
        "adapters": adapters.collect::<Vec<_>>(),
        "generation": {
            "seed": generation.seed,
            "finish_reason": generation.finish_reason.name(),
            "prompt_tokens": generation.prompt_tokens,
            "completion_tokens": generation.completion_tokens,
        },
    }))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trust_tests;
