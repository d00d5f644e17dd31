//! Reports: the fields or the text of a case in, a JSON document with sourced conclusions out.
//!
//! ```text
//! input → subject → prompt → generation → conclusions → confidence (deciding tokens, variants, calibration)
//!                                                   ↘ sources (the report on the case with other values)
//! ```
//!
//! Both modes end in one envelope, `report.schema.json`.

mod claims;
mod confidence;
mod document;
mod evidence;
mod form;
mod influence;
mod mentions;
mod options;
mod packs;
mod rules;
mod schema;
mod sources;
mod subject;
mod substitutes;
mod unsupported;

pub use options::{InputKind, ReportMode, ReportOptions};
pub use packs::{Pack, pack_names};
pub use rules::{Condition, RequiredMention, RulesOptions};

use crate::adapter::learnt::LearntRows;
use crate::conclusions::{VARIANTS, signals};
use crate::control::Cancel;
use crate::error::Result;
use crate::generate::{GenerateOptions, Generation, Session};
use crate::options::Options;
use claims::{Claim, Written, said};
use confidence::Confidences;
use form::Form;
use serde_json::{Value, json};
use sources::Sources;
use subject::Subject;

/// The JSON Schema (draft 2020-12) of every report.
pub const REPORT_SCHEMA: &str = include_str!("report.schema.json");

/// Writes the report on one case, `input` being a line of fields, a JSON object of fields, a table of one case, or text with
/// passages (see `ReportOptions::input`).
///
/// # Errors
/// `Code::InvalidArgument` for an input without fields, with a field or a passage twice, `Code::ContextLength` for one that
/// does not fit, `Code::Schema` for a schema that cannot be followed, `Code::Cancelled`.
pub fn report(session: &mut Session, input: &str, options: &ReportOptions, cancel: &Cancel) -> Result<Value> {
    options.validate()?;
    let learnt = learnt_rows(session);
    let subject = Subject::read(input, options, &learnt)?;
    let form = Form::of(options, &subject)?;
    let generate = form.generate(options);
    // What every report ends with; better refused before the text is written.
    session.model().sha256()?;
    let texts = session.with_variants(&form.prompt(&subject.text()), &generate, VARIANTS, cancel)?;
    let Some((generation, variants)) = texts.split_first() else { return Ok(Value::Null) };
    let mut written = Written::read(&generation.text, &form, &subject)?;
    let most = if form.is_filled() { usize::MAX } else { options.max_conclusions };
    let omitted = written.claims.len().saturating_sub(most);
    written.claims.truncate(most);
    let case = Case { subject: &subject, form: &form, learnt: &learnt, options, generate: &generate };
    let (mut conclusions, bias) = measure(session, &case, generation, variants, &written.claims, cancel)?;
    let by_rules = mentions::write(session, &case, generation, (&mut written, &mut conclusions), cancel)?;
    let violations = options.rules.violations(subject.fields(), &written.texts())?;
    if let Some(document) = &mut written.document {
        for (claim, conclusion) in written.claims.iter().zip(&conclusions) {
            form.fill(document, &claim.path, conclusion);
        }
    }
    let mut envelope = envelope(session, written.text, conclusions, generation)?;
    envelope["omitted_conclusions"] = omitted.into();
    if let Some(document) = written.document {
        envelope["document"] = document;
    }
    if !options.rules.is_empty() {
        envelope["rules"] = json!({ "written": by_rules, "violations": violations });
    }
    if !options.protected.is_empty() && matches!(subject, Subject::Fields(_)) {
        envelope["bias"] = bias.into();
    }
    Ok(envelope)
}

/// What is reported on, and how.
struct Case<'a> {
    subject: &'a Subject,
    form: &'a Form,
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

/// The conclusions with their confidence and sources; and the protected fields that moved one.
fn measure(
    session: &mut Session,
    case: &Case<'_>,
    generation: &Generation,
    variants: &[Generation],
    claims: &[Claim],
    cancel: &Cancel,
) -> Result<(Vec<Value>, Vec<Value>)> {
    if claims.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let confidences = Confidences::of(session, case.options.mode())?;
    let variants: Vec<_> = variants.iter().map(|variant| said(&variant.text, case.form, case.subject)).collect();
    let sources = Sources::measure(session, case, generation, cancel)?;
    let (mut conclusions, mut bias) = (Vec::with_capacity(claims.len()), Vec::new());
    for (index, claim) in claims.iter().enumerate() {
        let this = claim.said(case.subject.fields());
        let mut conclusion = json!({ "kind": claim.kind.name(), "text": claim.text });
        confidences.put(signals(generation, &claim.range, &this, &variants), &mut conclusion);
        bias.extend(sources.put(case, claim, index, &mut conclusion));
        conclusion["unsupported"] = unsupported::in_claim(&claim.text, case.subject, case.learnt).into();
        conclusions.push(conclusion);
    }
    Ok((conclusions, bias))
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
mod rules_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
#[cfg(test)]
mod trust_tests;
