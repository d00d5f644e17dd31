//! Reports: the fields of a case in, a JSON document with sourced conclusions out.
//!
//! ```text
//! input → fields → prompt → generation → conclusions → confidence (token probabilities)
//!                                                   ↘ sources (mentions, the model's choice) and their influence
//! ```
//!
//! Both modes end in one envelope, `report.schema.json`.

mod conclusions;
mod document;
pub(crate) mod fields;
mod influence;
mod lexicon;
mod options;
mod schema;

pub use options::{ReportMode, ReportOptions};

use crate::control::{Cancel, Control};
use crate::error::Result;
use crate::generate::{FinishReason, GenerateOptions, Generation, Session, check_schema_size};
use crate::options::Options;
use crate::own_stack::on_own_stack;
use conclusions::{Kind, sentences};
use document::{Step, StringValue};
use fields::Fields;
use influence::Influence;
use lexicon::Lexicon;
use serde_json::{Value, json};
use std::ops::Range;

/// The JSON Schema (draft 2020-12) of every report.
pub const REPORT_SCHEMA: &str = include_str!("report.schema.json");

/// A conclusion before it is measured.
#[derive(Debug, PartialEq)]
struct Claim {
    kind: Kind,
    text: String,
    /// Its bytes in the generated text.
    range: Range<usize>,
    /// Fields that it names, or that the model gave as its source.
    fields: Vec<usize>,
}

/// Writes the report on one case, `input` being a line of fields, a JSON object of fields, or a table of one case.
///
/// # Errors
/// `Code::InvalidArgument` for an input without fields or with a field twice, `Code::ContextLength` for one that does
/// not fit, `Code::Schema` for a schema that cannot be followed, `Code::Cancelled`.
pub fn report(session: &mut Session, input: &str, options: &ReportOptions, cancel: &Cancel) -> Result<Value> {
    options.validate()?;
    let (fields, lexicon) = (Fields::parse(input)?, Lexicon::of(options.lexicon.as_deref())?);
    let generation = generate(session, &fields, options, cancel)?;
    let (text, mut claims, document) = match options.mode() {
        ReportMode::Text => (generation.text.clone(), claims_of_text(&generation.text, &fields, &lexicon), None),
        ReportMode::Schema => {
            let (document, strings) = document::read(&generation.text)?;
            let text = document["report"].as_str().unwrap_or(&generation.text).to_string();
            let claims = claims_of_document(&document, strings, &fields, &lexicon);
            (text, claims, options.schema.is_some().then_some(document))
        }
    };
    let omitted = claims.len().saturating_sub(options.max_conclusions);
    claims.truncate(options.max_conclusions);
    let conclusions = measure(session, &fields, options, &generation, claims, cancel)?;
    let mut envelope = envelope(session, text, conclusions, document, &generation)?;
    envelope["omitted_conclusions"] = json!(omitted);
    Ok(envelope)
}

fn generate(session: &mut Session, fields: &Fields, options: &ReportOptions, cancel: &Cancel) -> Result<Generation> {
    let json_schema = match (options.mode(), &options.schema) {
        (ReportMode::Text, _) => None,
        (ReportMode::Schema, None) => Some(schema::built_in(fields, options.max_conclusions)),
        (ReportMode::Schema, Some(host)) => {
            check_schema_size(host)?;
            Some(on_own_stack(|| schema::with_fields(host, fields))??)
        }
    };
    let generate = GenerateOptions { json_schema, ..options.generate.clone() };
    // What every report ends with; better refused before the text is written.
    session.model().sha256()?;
    let generation = session.generate(&fields.text(), &generate, cancel, &mut |_| Control::Continue)?;
    if generation.finish_reason == FinishReason::Cancelled {
        cancel.check()?;
    }
    Ok(generation)
}

/// Each sentence is a conclusion; its sources so far are the fields that it names.
fn claims_of_text(text: &str, fields: &Fields, lexicon: &Lexicon) -> Vec<Claim> {
    let claim = |range: Range<usize>| {
        let sentence = &text[range.clone()];
        Claim {
            kind: lexicon.kind(sentence),
            text: sentence.to_string(),
            range,
            fields: mentioned(sentence, fields),
        }
    };
    sentences(text, lexicon).into_iter().map(claim).collect()
}

/// Fields whose name or value stands in `text`. A value of one character (`A`, `高`) stands in too many.
fn mentioned(text: &str, fields: &Fields) -> Vec<usize> {
    let says = |part: &str, least: usize| part.chars().count() >= least && text.contains(part);
    let named = fields.iter().enumerate().filter(|(_, field)| says(&field.name, 1) || says(&field.value, 2));
    named.map(|(index, _)| index).collect()
}

/// The conclusions of a document: the items of `conclusions` that have a `text`; in a document without such a list,
/// every string. `kind`, and `source` or `sources` where they name a field, are taken as the model gave them.
fn claims_of_document(
    document: &Value,
    strings: Vec<StringValue>,
    fields: &Fields,
    lexicon: &Lexicon,
) -> Vec<Claim> {
    let items = document["conclusions"].as_array();
    let listed = items.is_some_and(|items| items.iter().any(|item| item["text"].is_string()));
    let claim = |string: StringValue| {
        if string.value.trim().is_empty() {
            return None;
        }
        let item = match string.path.as_slice() {
            [Step::Key(list), Step::Index(index), Step::Key(text)] if list == "conclusions" && text == "text" => {
                items.and_then(|items| items.get(*index))
            }
            _ if listed => return None,
            _ => None,
        };
        let given = |key: &str| item.and_then(|item| item.get(key));
        let kind = given("kind").and_then(Value::as_str).and_then(Kind::named);
        let sources =
            given("source").into_iter().chain(given("sources").and_then(Value::as_array).into_iter().flatten());
        let mut cited: Vec<usize> =
            sources.filter_map(Value::as_str).filter_map(|name| fields.position(name)).collect();
        cited.sort_unstable();
        cited.dedup();
        if cited.is_empty() {
            cited = mentioned(&string.value, fields);
        }
        Some(Claim {
            kind: kind.unwrap_or_else(|| lexicon.kind(&string.value)),
            text: string.value,
            range: string.range,
            fields: cited,
        })
    };
    strings.into_iter().filter_map(claim).collect()
}

/// Gives each claim its confidence and its sources with their influence.
fn measure(
    session: &mut Session,
    fields: &Fields,
    options: &ReportOptions,
    generation: &Generation,
    claims: Vec<Claim>,
    cancel: &Cancel,
) -> Result<Vec<Value>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let mut influence = match options.influence {
        true => {
            let end = claims.iter().map(|claim| claim.range.end).max().unwrap_or(0);
            Some(Influence::new(session, fields, &options.generate, generation, end, cancel)?)
        }
        false => None,
    };
    let mut conclusions = Vec::with_capacity(claims.len());
    for claim in claims {
        let sources = match influence.as_mut() {
            None => claim.fields.iter().map(|&field| (field, None)).collect(),
            Some(influence) => sources(session, &claim, options.mode(), influence, cancel)?,
        };
        let sources = sources.into_iter().filter_map(|(field, influence): (usize, Option<f64>)| {
            let field = fields.iter().nth(field)?;
            Some(json!({ "field": field.name, "value": field.value, "influence": influence.map(rounded) }))
        });
        conclusions.push(json!({
            "kind": claim.kind.name(),
            "text": claim.text,
            "confidence": rounded(confidence(generation, &claim.range)),
            "confidence_kind": "uncalibrated",
            "sources": sources.collect::<Vec<_>>(),
        }));
    }
    Ok(conclusions)
}

/// A claim's sources, the most influential first. What the model cited in a document is measured and kept; a sentence
/// of free text, or a string that cites nothing, also gets the field that influenced it most.
fn sources(
    session: &mut Session,
    claim: &Claim,
    mode: ReportMode,
    influence: &mut Influence,
    cancel: &Cancel,
) -> Result<Vec<(usize, Option<f64>)>> {
    let search = mode == ReportMode::Text || claim.fields.is_empty();
    let mut candidates = claim.fields.clone();
    if search {
        candidates.extend(influence.candidates(session, &claim.range, cancel)?);
        candidates.sort_unstable();
        candidates.dedup();
    }
    let mut measured = Vec::with_capacity(candidates.len());
    // From the last: what comes before a field is then still in the cache.
    for &field in candidates.iter().rev() {
        measured.push((field, influence.of(session, field..field + 1, &claim.range, cancel)?));
    }
    measured.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let kept = measured.into_iter().enumerate().filter(|(rank, (field, _))| *rank == 0 || claim.fields.contains(field));
    Ok(kept.map(|(_, (field, influence))| (field, Some(influence))).collect())
}

/// The geometric mean of the probabilities that the model gave the tokens of a range, 0 to 1.
fn confidence(generation: &Generation, range: &Range<usize>) -> f64 {
    let tokens = generation.tokens.iter().filter(|token| token.start < range.end && token.end > range.start);
    let (sum, count) = tokens.fold((0.0, 0u32), |(sum, count), token| (sum + f64::from(token.logprob), count + 1));
    if count == 0 { 0.0 } else { (sum / f64::from(count)).exp().min(1.0) }
}

/// To six decimals: float32 sums carry no more.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn envelope(
    session: &Session,
    report: String,
    conclusions: Vec<Value>,
    document: Option<Value>,
    generation: &Generation,
) -> Result<Value> {
    let model = session.model();
    let adapters = session.attached().iter().map(|attached| {
        json!({ "name": attached.adapter.name(), "version": attached.adapter.version(), "scale": attached.scale })
    });
    let mut envelope = json!({
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
    });
    if let Some(document) = document {
        envelope["document"] = document;
    }
    Ok(envelope)
}

#[cfg(test)]
mod tests;
