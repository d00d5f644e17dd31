//! Writes what house rules require where a report lacks it: a sentence behind a plain text, or in a document behind the last of
//! its texts in which the schema lets it stand.
//!
//! Nothing that the model would have written follows it, so the report is the one that forcing the sentence where the model
//! ends would give.

use super::Case;
use super::claims::{Claim, Written};
use super::document::{self, Step, StringValue};
use super::rules::Missing;
use super::sources::of_field;
use crate::conclusions::{Lexicon, sentences};
use crate::control::Cancel;
use crate::error::Result;
use crate::generate::{FinishReason, Generation, Session};
use serde_json::{Value, json};

/// Writes what is missing into a report and its conclusions; gives what was written, for the envelope. A text that was cut in
/// the midst of a sentence stays as it is.
pub(super) fn write(
    session: &Session,
    case: &Case<'_>,
    generation: &Generation,
    (written, conclusions): (&mut Written, &mut Vec<Value>),
    cancel: &Cancel,
) -> Result<Vec<Value>> {
    let (mut sentences, mut document) = (Vec::new(), generation.text.clone());
    for rule in &case.options.rules.required {
        let Some(missing) = rule.missing(case.subject.fields(), &written.texts()) else { continue };
        let Some(sentence) = missing.sentence() else { continue };
        if written.document.is_some() {
            let Some(place) = find_place(session, case, &sentence, (&document, written), cancel)? else { continue };
            put(&place, written, conclusions);
            document = place.document;
        } else if generation.finish_reason == FinishReason::Length {
            continue;
        } else {
            append(case, &missing, &sentence, written, conclusions);
        }
        sentences.push(json!({ "phrases": missing.phrases, "field": missing.field(), "text": sentence }));
    }
    Ok(sentences)
}

/// Puts a sentence behind a plain text, as conclusions of their own.
fn append(case: &Case<'_>, missing: &Missing<'_>, sentence: &str, written: &mut Written, conclusions: &mut Vec<Value>) {
    let (text, start) = behind(&written.text, sentence, &case.form.lexicon);
    let claims = Claim::all_of(&text, case.subject.fields(), &case.form.lexicon);
    let sources: Vec<Value> = missing
        .field()
        .into_iter()
        .flat_map(|name| case.subject.fields().iter().filter(move |field| field.name == name))
        .map(|field| of_field(field, None))
        .collect();
    let conclusion = |claim: Claim| {
        json!({
            "kind": claim.kind.name(), "text": claim.text, "confidence": 1.0, "confidence_kind": "rule",
            "sources": sources, "noise": null, "grounded": null, "unsupported": [],
        })
    };
    conclusions.extend(claims.into_iter().filter(|claim| claim.range.start >= start).map(conclusion));
    written.text = text;
}

/// A sentence behind a text so that it is one of its own, and where it begins.
fn behind(text: &str, sentence: &str, lexicon: &Lexicon) -> (String, usize) {
    let text = text.trim_end();
    let joints: &[&str] = if text.contains('\n') { &["\n"] } else { &["", " ", "\n"] };
    let joined = |joint: &&str| (format!("{text}{joint}{sentence}"), text.len() + joint.len());
    let is_parted =
        |(text, start): &(String, usize)| sentences(text, lexicon).iter().any(|range| range.start == *start);
    joints.iter().map(joined).find(is_parted).unwrap_or_else(|| joined(&"\n"))
}

/// Places in a document that are tried: each reads all of it again.
const MOST_PLACES: usize = 16;

/// Where a document takes a sentence.
struct Place {
    path: Vec<Step>,
    /// The string with it.
    value: String,
    /// The document with it.
    document: String,
}

impl AsRef<str> for Place {
    fn as_ref(&self) -> &str {
        &self.document
    }
}

/// The comment of a document, if it has one, or the last of its conclusions that the schema leaves room in.
fn find_place(
    session: &Session,
    case: &Case<'_>,
    sentence: &str,
    (document, written): (&str, &Written),
    cancel: &Cancel,
) -> Result<Option<Place>> {
    let (_, strings) = document::read(document)?;
    let comment = vec![Step::Key("report".to_owned())];
    let paths = std::iter::once(&comment).chain(written.claims.iter().rev().map(|claim| &claim.path));
    let with_sentence = |path: &Vec<Step>| {
        let StringValue { value, range, .. } = strings.iter().find(|string| string.path == *path)?;
        let value = behind(value, sentence, &case.form.lexicon).0;
        let quoted = Value::from(value.as_str());
        let document = format!("{}{quoted}{}", &document[..range.start - 1], &document[range.end + 1..]);
        Some(Place { path: path.clone(), value, document })
    };
    session.first_whole(paths.filter_map(with_sentence).take(MOST_PLACES), case.generate, cancel)
}

/// Takes the document with the sentence for the one without.
fn put(place: &Place, written: &mut Written, conclusions: &mut [Value]) {
    let string = written.document.as_mut().and_then(|document| document::at_mut(document, &place.path));
    if let Some(string) = string {
        *string = place.value.as_str().into();
    }
    let of_place = written.claims.iter().zip(conclusions).filter(|(claim, _)| claim.path == place.path);
    of_place.for_each(|(_, conclusion)| conclusion["text"] = place.value.as_str().into());
    let comment = written.document.as_ref().and_then(|document| document["report"].as_str());
    written.text = comment.unwrap_or(&place.document).to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stands_behind_a_text_as_one_of_its_own() {
        for (text, sentence, expected) in [
            ("表现优秀。", "建议面谈。", "表现优秀。建议面谈。"),
            ("表现优秀", "建议面谈。", "表现优秀\n建议面谈。"),
            ("Good. \n", "Plan B.", "Good. Plan B."),
            ("Good", "Plan.", "Good\nPlan."),
            ("- a.\n- b.", "- c.", "- a.\n- b.\n- c."),
            ("好！", "Plan.", "好！Plan."),
            ("", "面谈。", "面谈。"),
        ] {
            let (joined, start) = behind(text, sentence, &Lexicon::built_in());
            assert_eq!((joined.as_str(), &joined[start..]), (expected, sentence));
        }
    }
}
