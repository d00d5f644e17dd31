//! A schema as the shapes that its documents may have: alternatives of one type each, with all that is required of it in
//! one place. References and `allOf` are merged, `anyOf`, `oneOf`, `if`, `not` and dependencies become alternatives.
//!
//! What stands at one place of a document is described by the set of places in the schema that all speak of it. Members and
//! items are such sets again, not shapes, so recursion ends by itself.

use super::number::NumberShape;
use super::source::{Loc, Source, shortened};
use super::text::TextShape;
use crate::error::Result;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Alternatives of one value.
const MOST_SHAPES: usize = 2_000;

/// Alternatives within alternatives.
const MAX_NESTING: usize = 1_000;

/// Places that all speak of the same value, in order, each once.
pub(super) type Places = Vec<Loc>;

/// One kind of document.
#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// One of these texts.
    Literals(Vec<String>),
    Number(NumberShape),
    Text(TextShape),
    Array(ArrayShape),
    Object(ObjectShape),
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct ArrayShape {
    pub(super) first: Vec<Places>,
    /// `None`: nothing may follow.
    pub(super) rest: Option<Places>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    /// The items are different ones of these.
    pub(super) distinct: Option<Vec<String>>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct ObjectShape {
    pub(super) named: Vec<Member>,
    pub(super) free: Vec<FreeMembers>,
    /// Names that no free member may have.
    pub(super) taken: Vec<String>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) places: Places,
    pub(super) required: bool,
}

/// Members of any name that the texts allow.
#[derive(Debug, PartialEq)]
pub(super) struct FreeMembers {
    pub(super) names: TextShape,
    pub(super) places: Places,
}

/// Reads places into shapes.
pub(super) struct Reader<'a> {
    pub(super) source: Source<'a>,
    read: HashMap<Places, Rc<Vec<Shape>>>,
}

/// What is being read together: the places, and where each came from.
#[derive(Clone, Default)]
struct Together {
    places: Vec<(Loc, Option<usize>)>,
    /// Keywords that have been turned into alternatives or further places.
    done: BTreeSet<(Loc, &'static str)>,
}

/// What splits a value into alternatives.
const BRANCHING: [&str; 7] = ["not", "dependentRequired", "dependentSchemas", "dependencies", "if", "oneOf", "anyOf"];

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Reader { source, read: HashMap::new() }
    }

    /// The shapes of a value that all of `places` speak of. None: there is no such value.
    pub(super) fn shapes(&mut self, places: &[Loc]) -> Result<Rc<Vec<Shape>>> {
        if let Some(shapes) = self.read.get(places) {
            return Ok(shapes.clone());
        }
        let mut together = Together::default();
        for &place in places {
            if let Some(again) = self.add(&mut together, place, None)? {
                return Err(self.source.refuse(
                    again,
                    "",
                    "refers to itself without end, so it allows no document at all",
                ));
            }
        }
        let shapes = Rc::new(self.alternatives(together, 0)?);
        self.read.insert(places.to_vec(), shapes.clone());
        Ok(shapes)
    }

    /// Adds a place and what its `$ref` and `allOf` lead to. Returns the place that leads back to itself, if one does.
    fn add(&mut self, together: &mut Together, place: Loc, origin: Option<usize>) -> Result<Option<Loc>> {
        let mut waiting = vec![(place, origin)];
        while let Some((place, origin)) = waiting.pop() {
            self.source.spend(1, place, "$ref")?;
            let mut above = origin;
            while let Some(index) = above {
                let (over, next) = together.places[index];
                if over == place {
                    return Ok(Some(place));
                }
                above = next;
                self.source.spend(1, place, "$ref")?;
            }
            if together.places.iter().any(|(known, _)| *known == place) {
                continue;
            }
            let here = together.places.len();
            together.places.push((place, origin));
            let schema = self.source.schema(place);
            for index in (0..schema.get("allOf").and_then(Value::as_array).map_or(0, Vec::len)).rev() {
                waiting.push((self.source.child(place, &["allOf", &index.to_string()])?, Some(here)));
            }
            if schema.get("$ref").is_some() {
                waiting.push((self.source.referred(place)?, Some(here)));
            }
        }
        Ok(None)
    }

    /// Splits by the first keyword that makes alternatives; merges when none is left.
    fn alternatives(&mut self, mut together: Together, depth: usize) -> Result<Vec<Shape>> {
        let places: Vec<Loc> = together.places.iter().map(|(place, _)| *place).collect();
        let first = places.first().copied().unwrap_or(0);
        self.source.spend(places.len(), first, "anyOf")?;
        if depth > MAX_NESTING {
            return Err(self.source.refuse(
                first,
                "",
                format!("has more than {MAX_NESTING} alternatives within each other"),
            ));
        }
        if let Some(literals) = self.literals(&places)? {
            return Ok(literals);
        }
        let pending = places.iter().enumerate().find_map(|(index, &place)| {
            let schema = self.source.schema(place);
            let new =
                |keyword: &&'static str| schema.get(*keyword).is_some() && !together.done.contains(&(place, *keyword));
            BRANCHING.into_iter().find(new).map(|keyword| (index, place, keyword))
        });
        let Some((index, place, keyword)) = pending else { return self.merged(&places) };
        together.done.insert((place, keyword));
        let mut shapes = Vec::new();
        for extra in self.branches(place, keyword)? {
            let mut branch = together.clone();
            let mut circular = false;
            for place in extra {
                circular |= self.add(&mut branch, place, Some(index))?.is_some();
            }
            // An alternative that leads back to the whole adds nothing to it.
            if circular {
                continue;
            }
            for shape in self.alternatives(branch, depth + 1)? {
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
            if shapes.len() > MOST_SHAPES {
                return Err(self.source.refuse(
                    place,
                    keyword,
                    format!("makes more than {MOST_SHAPES} alternatives of one value; expected fewer"),
                ));
            }
            self.source.spend(shapes.len(), place, keyword)?;
        }
        Ok(shapes)
    }

    /// The places that each alternative of a keyword adds.
    fn branches(&mut self, place: Loc, keyword: &'static str) -> Result<Vec<Places>> {
        let schema = self.source.schema(place);
        let given = &schema[keyword];
        match keyword {
            "not" => {
                let child = self.source.child(place, &["not"])?;
                Ok(vec![vec![self.source.negation(child, place, "not")?]])
            }
            "if" => {
                let condition = self.source.child(place, &["if"])?;
                let mut branches = vec![vec![condition], Vec::new()];
                let mut conditional = false;
                for (branch, name) in branches.iter_mut().zip(["then", "else"]) {
                    if schema.get(name).is_some() {
                        branch.push(self.source.child(place, &[name])?);
                        conditional = true;
                    }
                }
                if !conditional {
                    return Ok(vec![Vec::new()]);
                }
                branches[1].push(self.source.negation(condition, place, "if")?);
                Ok(branches)
            }
            "anyOf" => {
                let count = given.as_array().map_or(0, Vec::len);
                (0..count).map(|index| Ok(vec![self.source.child(place, &["anyOf", &index.to_string()])?])).collect()
            }
            "oneOf" => self.exclusive(place, given.as_array().map_or(0, Vec::len)),
            _ => {
                let mut all = Vec::new();
                for (name, dependent) in given.as_object().into_iter().flatten() {
                    let with = match dependent {
                        Value::Array(names) => {
                            let names: Vec<Value> = std::iter::once(json!(name)).chain(names.iter().cloned()).collect();
                            json!({ "required": names })
                        }
                        schema => json!({ "required": [name], "allOf": [schema] }),
                    };
                    let without = json!({ "properties": { name: false } });
                    all.push(self.source.make(place, json!({ "anyOf": [with, without] }))?);
                }
                Ok(vec![all])
            }
        }
    }

    pub(super) fn all_break(&mut self, texts: &[String], places: &[Loc]) -> Result<bool> {
        for text in texts {
            let Ok(value) = serde_json::from_str::<Value>(text) else { return Ok(false) };
            let mut right = true;
            for &place in places {
                right = right && self.source.holds(&value, place)?;
            }
            if right {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// If a place lists its values: those that satisfy all places.
    fn literals(&mut self, places: &[Loc]) -> Result<Option<Vec<Shape>>> {
        let listing = places.iter().find_map(|&place| {
            let schema = self.source.schema(place);
            let values = schema.get("const").map(|one| vec![one.clone()]);
            Some((place, values.or_else(|| schema.get("enum").and_then(Value::as_array).cloned())?))
        });
        let Some((listing, values)) = listing else { return Ok(None) };
        let mut texts: Vec<String> = Vec::new();
        let mut known = BTreeSet::new();
        for value in values {
            let mut right = true;
            for &place in places {
                let held = |source: &mut Source| match place == listing {
                    true => source.rest_holds(&value, place),
                    false => source.holds(&value, place),
                };
                right = right && held(&mut self.source)?;
            }
            self.source.spend(1, listing, "enum")?;
            let text = value.to_string();
            if right && known.insert(text.clone()) {
                texts.push(text);
            }
        }
        Ok(Some(if texts.is_empty() { Vec::new() } else { vec![Shape::Literals(texts)] }))
    }

    /// Refuses a name that makes a long message short.
    pub(super) fn about(name: &str) -> String {
        format!("{:?}", shortened(name))
    }
}
