//! What a host's JSON Schema asks Tailora to fill in.
//!
//! | keyword | where | what it does |
//! |---|---|---|
//! | `x-tailora-enum: "fields"` | a string | its value is one of the names of the input's fields; with `"passages"`, of its passages |
//! | `x-tailora-text: true` | a string | it is a conclusion; without any such mark every free string is one |
//! | `x-tailora-kind: "risk"` | a string that is a conclusion | its kind |
//! | `x-tailora-confidence: true` | a property | is not generated: the measured confidence of the conclusion beside it |
//! | `x-tailora-sources: true` | a property | is not generated: the measured sources of the conclusion beside it |

use super::super::document::{self, Step};
use super::task::referred;
use crate::conclusions::Kind;
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// Deeper schemas are refused elsewhere; this bounds the walk through `$ref`s that go round.
const MAX_DEPTH: usize = 32;
/// Places that a schema may mark.
const MAX_PLACES: usize = 1024;

const ENUM: &str = "x-tailora-enum";
const TEXT: &str = "x-tailora-text";
const KIND: &str = "x-tailora-kind";
const CONFIDENCE: &str = "x-tailora-confidence";
const SOURCES: &str = "x-tailora-sources";

/// A place in documents: the keys from the root, none for the items of a list.
type Place = Vec<Option<String>>;

/// The name of a property, and what it is filled in with, if it is.
type Property = (String, Option<Measured>);

/// What is measured, not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Confidence,
    Sources,
}

/// A host's schema, cut in two: what the model writes, and what is filled in afterwards.
#[derive(Debug)]
pub(crate) struct Marked {
    /// The schema of what the model writes.
    pub(crate) schema: Value,
    /// Strings that are conclusions, with their kinds where the schema says them.
    texts: Vec<(Place, Option<Kind>)>,
    /// Strings that are not free: one of few, or in a form of their own.
    closed: Vec<Place>,
    /// Objects with properties to be filled in, and all their properties in the schema's order.
    filled: Vec<(Place, Vec<Property>)>,
}

/// What a schema says of a string in a document.
#[derive(Debug, PartialEq)]
pub(crate) enum Role {
    Conclusion(Option<Kind>),
    Other,
}

impl Marked {
    /// Reads the marks of a host's schema for a case with these fields.
    pub(crate) fn read(schema: &Value, fields: &Value) -> Result<Self> {
        let mut marked = Marked { schema: Value::Null, texts: Vec::new(), closed: Vec::new(), filled: Vec::new() };
        marked.find(schema, schema, &mut Vec::new(), 0)?;
        marked.schema = without_marks(schema, fields)?;
        Ok(marked)
    }

    /// Whether the string at a path is a conclusion.
    pub(crate) fn role(&self, path: &[Step]) -> Role {
        match self.texts.iter().find(|(place, _)| is_at(place, path)) {
            Some((_, kind)) => Role::Conclusion(*kind),
            None if self.texts.is_empty() && !self.closed.iter().any(|place| is_at(place, path)) => {
                Role::Conclusion(None)
            }
            None => Role::Other,
        }
    }

    /// Whether it has places for what is measured.
    pub(crate) fn is_filled(&self) -> bool {
        !self.filled.is_empty()
    }

    /// Whether the schema says which strings are conclusions.
    pub(crate) fn names_conclusions(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Puts what was measured of the conclusion at `path` into its document.
    pub(crate) fn fill(&self, document: &mut Value, path: &[Step], confidence: &Value, sources: &Value) {
        let Some((Step::Key(text), parent)) = path.split_last() else { return };
        // Of several forms of an object, the one that has the conclusion.
        let has_it = |properties: &[Property]| properties.iter().any(|(name, _)| name == text);
        for (_, properties) in self.filled.iter().filter(|(place, all)| is_at(place, parent) && has_it(all)) {
            if let Some(object) = document::at_mut(document, parent).and_then(Value::as_object_mut) {
                *object = in_order(std::mem::take(object), properties, confidence, sources);
            }
        }
    }

    fn find(&mut self, root: &Value, schema: &Value, place: &mut Place, depth: usize) -> Result<()> {
        let Value::Object(keywords) = schema else { return Ok(()) };
        if depth > MAX_DEPTH || self.texts.len() + self.closed.len() + self.filled.len() > MAX_PLACES {
            return Ok(());
        }
        self.take_string(keywords, place)?;
        if let Some(found) = referred(root, keywords) {
            self.find(root, found, place, depth + 1)?;
        }
        for list in ["anyOf", "oneOf", "allOf"] {
            for branch in keywords.get(list).and_then(Value::as_array).into_iter().flatten() {
                self.find(root, branch, place, depth + 1)?;
            }
        }
        if let Some(Value::Object(properties)) = keywords.get("properties") {
            self.take_filled(properties, place)?;
            for (name, property) in properties {
                place.push(Some(name.clone()));
                self.find(root, property, place, depth + 1)?;
                place.pop();
            }
        }
        let tuple = keywords.get("prefixItems").and_then(Value::as_array).into_iter().flatten();
        for items in tuple.chain(keywords.get("items")) {
            place.push(None);
            self.find(root, items, place, depth + 1)?;
            place.pop();
        }
        Ok(())
    }

    /// Notes what is said of a string.
    fn take_string(&mut self, keywords: &Map<String, Value>, place: &Place) -> Result<()> {
        let kind = match keywords.get(KIND) {
            None => None,
            Some(Value::String(name)) => {
                Some(Kind::named(name).ok_or_else(|| wrong(KIND, &Value::from(name.as_str()), &kinds()))?)
            }
            Some(other) => return Err(wrong(KIND, other, &kinds())),
        };
        if flag(keywords, TEXT)? || kind.is_some() {
            self.texts.push((place.clone(), kind));
        } else if ["enum", "const", "pattern", "format", ENUM].iter().any(|keyword| keywords.contains_key(*keyword)) {
            self.closed.push(place.clone());
        }
        Ok(())
    }

    /// Notes an object of which some properties are filled in.
    fn take_filled(&mut self, properties: &Map<String, Value>, place: &Place) -> Result<()> {
        let mut order = Vec::with_capacity(properties.len());
        for (name, property) in properties {
            order.push((name.clone(), measured(property)?));
        }
        if order.iter().any(|(_, measured)| measured.is_some()) {
            self.filled.push((place.clone(), order));
        }
        Ok(())
    }
}

/// What a property's schema asks to be filled in.
fn measured(property: &Value) -> Result<Option<Measured>> {
    let Value::Object(keywords) = property else { return Ok(None) };
    Ok(match (flag(keywords, CONFIDENCE)?, flag(keywords, SOURCES)?) {
        (true, _) => Some(Measured::Confidence),
        (_, true) => Some(Measured::Sources),
        _ => None,
    })
}

/// The schema of what the model writes: without the properties that are filled in, with the fields where it asks for them.
fn without_marks(schema: &Value, fields: &Value) -> Result<Value> {
    let keywords = match schema {
        Value::Object(keywords) => keywords,
        Value::Array(items) => {
            return items.iter().map(|item| without_marks(item, fields)).collect::<Result<Vec<_>>>().map(Value::Array);
        }
        other => return Ok(other.clone()),
    };
    let mut filled_in = Vec::new();
    if let Some(Value::Object(properties)) = keywords.get("properties") {
        for (name, property) in properties {
            if measured(property)?.is_some() {
                filled_in.push(name.as_str());
            }
        }
    }
    let mut written = Map::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            (TEXT | KIND | CONFIDENCE | SOURCES, _) => {}
            (ENUM, Value::String(what)) if ["fields", "passages"].contains(&what.as_str()) => {
                if fields.as_array().is_none_or(Vec::is_empty) {
                    return Err(wrong(ENUM, value, "no such mark: this case has none"));
                }
                written.insert("enum".to_owned(), fields.clone());
            }
            (ENUM, other) => return Err(wrong(ENUM, other, "\"fields\" or \"passages\"")),
            ("properties", Value::Object(properties)) => {
                let mut kept = Map::new();
                for (name, property) in properties.iter().filter(|(name, _)| !filled_in.contains(&name.as_str())) {
                    kept.insert(name.clone(), without_marks(property, fields)?);
                }
                written.insert(keyword.clone(), Value::Object(kept));
            }
            ("required", Value::Array(names)) => {
                let written_by_model = |name: &&Value| !name.as_str().is_some_and(|name| filled_in.contains(&name));
                written.insert(keyword.clone(), names.iter().filter(written_by_model).cloned().collect());
            }
            // Values, not schemas.
            ("enum" | "const" | "default" | "examples", _) => {
                written.insert(keyword.clone(), value.clone());
            }
            _ => {
                written.insert(keyword.clone(), without_marks(value, fields)?);
            }
        }
    }
    Ok(Value::Object(written))
}

fn flag(keywords: &Map<String, Value>, name: &str) -> Result<bool> {
    match keywords.get(name) {
        None | Some(Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(other) => Err(wrong(name, other, "true or false")),
    }
}

fn wrong(keyword: &str, found: &Value, expected: &str) -> Error {
    Error::new(Code::Schema, format!("the JSON Schema has `{keyword}` {found}; expected {expected}"))
        .with("keyword", keyword)
}

fn kinds() -> String {
    Kind::NAMES.join(", ")
}

fn is_at(place: &Place, path: &[Step]) -> bool {
    place.len() == path.len()
        && place.iter().zip(path).all(|(here, step)| match (here, step) {
            (None, Step::Index(_)) => true,
            (Some(key), Step::Key(found)) => key == found,
            _ => false,
        })
}

/// An object with the measured properties, in the order of the schema.
fn in_order(
    mut object: Map<String, Value>,
    properties: &[Property],
    confidence: &Value,
    sources: &Value,
) -> Map<String, Value> {
    let mut ordered = Map::new();
    for (name, measured) in properties {
        let value = match measured {
            Some(Measured::Confidence) => Some(confidence.clone()),
            Some(Measured::Sources) => Some(sources.clone()),
            None => object.shift_remove(name),
        };
        ordered.extend(value.map(|value| (name.clone(), value)));
    }
    ordered.extend(object);
    ordered
}
