//! The conclusions of a text, each with the fields that it names.

use super::document::{self, Step, StringValue};
use super::form::Form;
use super::schema::{Marked, Role};
use super::subject::Subject;
use crate::conclusions::{Kind, Lexicon, Said, sentences};
use crate::error::Result;
use crate::fields::Fields;
use serde_json::Value;
use std::ops::Range;

/// A conclusion before it is measured.
#[derive(Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Its bytes in the generated text.
    pub(super) range: Range<usize>,
    /// Fields that it names; fields or passages that the model gave as its source.
    pub(super) fields: Vec<usize>,
    /// Where it stands in a document.
    pub(super) path: Vec<Step>,
}

/// What a generated text says.
pub(super) struct Written {
    /// The comment.
    pub(super) text: String,
    pub(super) claims: Vec<Claim>,
    /// In schema mode, the whole of it.
    pub(super) document: Option<Value>,
}

impl Written {
    pub(super) fn read(text: &str, form: &Form, subject: &Subject) -> Result<Written> {
        let Some((marked, document, strings)) = form.read(text)? else {
            let claims = Claim::all_of(text, subject.fields(), &form.lexicon);
            return Ok(Written { text: text.to_owned(), claims, document: None });
        };
        let comment = document["report"].as_str().unwrap_or(text).to_owned();
        let claims = claims_of_document((marked, &form.lexicon), &document, strings, subject);
        Ok(Written { text: comment, claims, document: Some(document) })
    }

    /// All that a reader sees: the comment, or every string of a document.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.document.as_ref().map_or_else(|| vec![self.text.as_str()], document::texts)
    }
}

impl Claim {
    /// Each sentence of a plain text is a conclusion; its sources so far are the fields that it names.
    pub(super) fn all_of(text: &str, fields: &Fields, lexicon: &Lexicon) -> Vec<Claim> {
        let claim = |range: Range<usize>| {
            let sentence = &text[range.clone()];
            Claim {
                kind: lexicon.kind(sentence),
                text: sentence.to_string(),
                range,
                fields: mentioned(sentence, fields),
                path: Vec::new(),
            }
        };
        sentences(text, lexicon).into_iter().map(claim).collect()
    }

    /// The same, as it is compared with others.
    pub(super) fn said(&self, fields: &Fields) -> Said {
        Said::new(&self.text, fields.iter().map(|field| field.value.as_str()))
    }
}

/// The conclusions of another text on the case, or on one like it; none of one that was cut so that it cannot be read.
pub(super) fn said(text: &str, form: &Form, subject: &Subject) -> Vec<Said> {
    let fields = subject.fields();
    let read = Written::read(text, form, subject);
    read.map_or_else(|_| Vec::new(), |read| read.claims.iter().map(|claim| claim.said(fields)).collect())
}

/// Fields whose name or value stands in `text`. A value of one character (`A`, `高`) stands in too many.
fn mentioned(text: &str, fields: &Fields) -> Vec<usize> {
    let says = |part: &str, least: usize| part.chars().count() >= least && text.contains(part);
    let named = fields.iter().enumerate().filter(|(_, field)| says(&field.name, 1) || says(&field.value, 2));
    named.map(|(index, _)| index).collect()
}

/// The conclusions of a document: the strings that its schema marks as such; without marks, the items of `conclusions` that
/// have a `text`; without such a list, every free string. What stands beside one, `kind`, and `source` or `sources` where
/// they name a field or a passage, is taken as the model gave it.
fn claims_of_document(
    (marked, lexicon): (&Marked, &Lexicon),
    document: &Value,
    strings: Vec<StringValue>,
    subject: &Subject,
) -> Vec<Claim> {
    let names = subject.names();
    let items = document["conclusions"].as_array();
    let listed =
        !marked.names_conclusions() && items.is_some_and(|items| items.iter().any(|item| item["text"].is_string()));
    let claim = |string: StringValue| {
        let role = marked.role(&string.path);
        let Role::Conclusion(marked_kind) = role else { return None };
        if string.value.trim().is_empty() || (listed && !is_listed(&string.path)) {
            return None;
        }
        let beside = string.path.split_last().and_then(|(_, parent)| document::at(document, parent));
        let given = |key: &str| beside.and_then(|object| object.get(key));
        let kind = marked_kind.or_else(|| given("kind").and_then(Value::as_str).and_then(Kind::named));
        let sources =
            given("source").into_iter().chain(given("sources").and_then(Value::as_array).into_iter().flatten());
        let place = |name: &str| names.iter().position(|known| *known == name);
        let mut cited: Vec<usize> = sources.filter_map(Value::as_str).filter_map(place).collect();
        cited.sort_unstable();
        cited.dedup();
        if cited.is_empty() {
            cited = mentioned(&string.value, subject.fields());
        }
        Some(Claim {
            kind: kind.unwrap_or_else(|| lexicon.kind(&string.value)),
            text: string.value,
            range: string.range,
            fields: cited,
            path: string.path,
        })
    };
    strings.into_iter().filter_map(claim).collect()
}

/// Whether it is the text of an item of `conclusions`.
fn is_listed(path: &[Step]) -> bool {
    matches!(path, [Step::Key(list), Step::Index(_), Step::Key(text)] if list == "conclusions" && text == "text")
}
