//! A host's schema as a set of places that are read one by one: what a `$ref` leads to, whether a keyword is one and has
//! the right value, and how much work the whole may cost. No walk here is recursive.

use super::keywords::{KEYWORDS, REFUSED, is_annotation, nearest};
use super::names::{Names, Target};
use super::pointer::{descend, step};
use crate::control::Cancel;
use crate::error::{Code, Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// A document may be this large.
const MAX_BYTES: usize = 1 << 20;

/// As deep as JSON text may nest for serde_json.
const MAX_DEPTH: usize = 128;

/// Values of a schema.
const MAX_NODES: usize = 500_000;

/// Steps that reading a schema may take; about a second.
const MAX_WORK: u64 = 500_000;

/// Between two looks at the request to stop.
const WORK_PER_CHECK: u64 = 1024;

/// A place in the schema, or one that we made of places.
pub(super) type Loc = usize;

/// The schema at a place. Cheap to clone, so that a place can be read while others are added.
#[derive(Clone)]
pub(super) enum Subschema<'a> {
    Given(&'a Value),
    Made(Rc<Value>),
}

impl std::ops::Deref for Subschema<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Subschema::Given(value) => value,
            Subschema::Made(value) => value,
        }
    }
}

struct Place<'a> {
    pointer: String,
    schema: Subschema<'a>,
}

pub(super) struct Source<'a> {
    root: &'a Value,
    places: Vec<Place<'a>>,
    known: HashMap<String, Loc>,
    names: Names<'a>,
    work: u64,
    cancel: &'a Cancel,
    /// Whether the last negation allows fewer documents than it might.
    pub(super) partial: bool,
}

/// Refuses what must not be walked: too deep, too many values, too large. Does not recurse.
pub(crate) fn check_size(schema: &Value) -> Result<()> {
    let refused = |what: String, expected: String| {
        Err(Error::new(Code::Schema, format!("the JSON Schema {what}; expected {expected}")))
    };
    let mut waiting = vec![(schema, 0)];
    let (mut nodes, mut bytes) = (0, 0);
    while let Some((value, depth)) = waiting.pop() {
        nodes += 1;
        match value {
            _ if depth > MAX_DEPTH => {
                return refused(
                    format!("is nested deeper than {MAX_DEPTH} levels"),
                    "a flatter one (`$defs` and `$ref`)".into(),
                );
            }
            Value::Object(entries) => {
                bytes += entries.keys().map(|name| name.len() + 4).sum::<usize>();
                waiting.extend(entries.values().map(|child| (child, depth + 1)));
            }
            Value::Array(items) => waiting.extend(items.iter().map(|child| (child, depth + 1))),
            Value::String(text) => bytes += text.len() + 2,
            _ => bytes += 4,
        }
        if bytes > MAX_BYTES || nodes > MAX_NODES {
            return refused("is too large".into(), format!("at most {MAX_BYTES} bytes and {MAX_NODES} values"));
        }
    }
    Ok(())
}

/// The schema inside the wrapper that chat APIs put around one: `{"name", "strict", "schema"}`, alone or as
/// `{"type": "json_schema", "json_schema": …}`.
pub(super) fn unwrapped(schema: &Value) -> &Value {
    let inner = match schema.get("json_schema") {
        Some(inner) if schema["type"] == "json_schema" => inner,
        _ => schema,
    };
    let wraps = |keywords: &serde_json::Map<String, Value>| {
        let known = ["name", "description", "strict", "schema"];
        keywords.get("schema").is_some_and(Value::is_object)
            && keywords.keys().all(|name| known.contains(&name.as_str()))
    };
    match inner {
        Value::Object(keywords) if wraps(keywords) => &keywords["schema"],
        _ => inner,
    }
}

impl<'a> Source<'a> {
    pub(super) fn new(root: &'a Value, cancel: &'a Cancel) -> Self {
        Source {
            root,
            places: Vec::new(),
            known: HashMap::new(),
            names: Names::of(root),
            work: 0,
            cancel,
            partial: false,
        }
    }

    pub(super) fn root(&mut self) -> Result<Loc> {
        self.given("#".to_string(), self.root)
    }

    pub(super) fn schema(&self, loc: Loc) -> Subschema<'a> {
        self.places[loc].schema.clone()
    }

    /// Where a place is, as a JSON pointer in a URI fragment.
    pub(super) fn pointer(&self, loc: Loc) -> &str {
        &self.places[loc].pointer
    }

    /// Counts work that `keyword` of a place makes.
    pub(super) fn spend(&mut self, steps: usize, loc: Loc, keyword: &str) -> Result<()> {
        let before = self.work / WORK_PER_CHECK;
        self.work += steps as u64;
        if self.work > MAX_WORK {
            return Err(self.refuse(
                loc,
                keyword,
                "makes the JSON Schema too dear to compile; expected fewer alternatives",
            ));
        }
        if self.work / WORK_PER_CHECK != before {
            self.cancel.check()?;
        }
        Ok(())
    }

    /// An error about a keyword of a place.
    pub(super) fn refuse(&self, loc: Loc, keyword: &str, why: impl std::fmt::Display) -> Error {
        let path = if keyword.is_empty() { self.pointer(loc).to_string() } else { step(self.pointer(loc), keyword) };
        let name = if keyword.is_empty() { "the JSON Schema".to_string() } else { format!("`{keyword}`") };
        Error::new(Code::Schema, format!("{name} {why} (at {path})")).with("path", path).with("keyword", keyword)
    }

    /// The subschema under a keyword; `steps` lead from there to it.
    pub(super) fn child(&mut self, parent: Loc, steps: &[&str]) -> Result<Loc> {
        let pointer = steps.iter().fold(self.pointer(parent).to_string(), |pointer, part| step(&pointer, part));
        match self.schema(parent) {
            Subschema::Given(value) => match descend(value, steps) {
                Some(child) => self.given(pointer, child),
                None => Err(self.refuse(parent, steps.first().unwrap_or(&""), "leads to no schema")),
            },
            Subschema::Made(value) => {
                let child = descend(&value, steps).cloned();
                let child = child.ok_or_else(|| self.refuse(parent, "", "leads to no schema"))?;
                self.made(&pointer, child)
            }
        }
    }

    /// A place of our own, made of what stands at another.
    pub(super) fn make(&mut self, of: Loc, schema: Value) -> Result<Loc> {
        let pointer = self.pointer(of).to_string();
        self.made(&pointer, schema)
    }

    fn made(&mut self, pointer: &str, schema: Value) -> Result<Loc> {
        // Equal ones are one place, or recursion would make new ones for ever.
        let key = format!("{pointer}\0{schema}");
        if let Some(&loc) = self.known.get(&key) {
            return Ok(loc);
        }
        let loc = self.places.len();
        self.places.push(Place { pointer: pointer.to_string(), schema: Subschema::Made(Rc::new(schema)) });
        self.known.insert(key, loc);
        self.spend(32, loc, "")?;
        Ok(loc)
    }

    fn given(&mut self, pointer: String, schema: &'a Value) -> Result<Loc> {
        if let Some(&loc) = self.known.get(&pointer) {
            return Ok(loc);
        }
        let loc = self.places.len();
        self.known.insert(pointer.clone(), loc);
        self.places.push(Place { pointer, schema: Subschema::Given(schema) });
        self.spend(1, loc, "")?;
        self.check(loc)?;
        Ok(loc)
    }

    /// What the `$ref` of a place leads to.
    pub(super) fn referred(&mut self, loc: Loc) -> Result<Loc> {
        let schema = self.schema(loc);
        let reference = schema["$ref"].as_str().unwrap_or_default();
        let why = match self.names.target(&self.places[loc].pointer, reference) {
            Target::Place(pointer, target) => return self.given(pointer, target),
            Target::Nowhere => {
                "leads to nothing in this JSON Schema; nothing is fetched, expected `#`, `#/$defs/…` or an `$anchor`"
            }
            Target::Several => "is the name of several places in this JSON Schema; expected `#/…`",
        };
        Err(self.refuse(loc, "$ref", format!("{:?} {why}", shortened(reference))))
    }

    /// Every keyword of a place is known and has a value of its kind.
    fn check(&self, loc: Loc) -> Result<()> {
        let schema = self.schema(loc);
        let Value::Object(keywords) = &*schema else {
            if schema.is_boolean() && loc > 0 {
                return Ok(());
            }
            return Err(self.refuse(loc, "", "must be a JSON object"));
        };
        for (keyword, value) in keywords {
            if let Some((_, kind)) = KEYWORDS.iter().find(|(known, _)| known == keyword) {
                if let Err(expected) = kind.check(value) {
                    let found = shortened(&value.to_string());
                    return Err(self.refuse(loc, keyword, format!("is {found}; expected {expected}")));
                }
            } else if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| refused == keyword) {
                return Err(self.refuse(loc, keyword, format!("cannot be enforced; {instead}")));
            } else if !is_annotation(keyword) {
                let name = nearest(keyword);
                let why =
                    format!("is no keyword of JSON Schema; did you mean `{name}`? (names of your own begin with `x-`)");
                return Err(self.refuse(loc, &shortened(keyword), why).with("nearest", name));
            }
        }
        Ok(())
    }
}

/// For messages.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => text.to_string(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
