//! What a schema does not allow, as a schema: `not`, `if` and `oneOf` need it.
//!
//! By De Morgan, keyword by keyword. A keyword whose opposite no grammar can hold adds no way to break the schema: the
//! result then allows fewer documents than it might, never a wrong one. Nothing left is an error.

use super::keywords::{NOT_ENUM, NOT_PATTERN, count, is_annotation};
use super::source::{Loc, Source};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// Negations in negations, and references on the way.
const MAX_DEPTH: usize = 40;

impl Source<'_> {
    /// A place that holds only where the one given does not. `keyword` of `asking` wants it.
    pub(super) fn negation(&mut self, loc: Loc, asking: Loc, keyword: &str) -> Result<Loc> {
        self.partial = false;
        let ways = self.ways_to_break(loc, Asked { asking, keyword, depth: 0 })?;
        let negation = match ways {
            Ways::All => Value::Bool(true),
            Ways::Some(ways) if ways.is_empty() => Value::Bool(false),
            Ways::Some(ways) => json!({ "anyOf": ways }),
        };
        self.make(loc, negation)
    }

    fn ways_to_break(&mut self, loc: Loc, asked: Asked) -> Result<Ways> {
        let Asked { asking, keyword, depth } = asked;
        self.spend(16, asking, keyword)?;
        if depth > MAX_DEPTH {
            return Err(self.refuse(
                asking,
                keyword,
                "cannot be enforced: what it is about refers to itself or nests too deep",
            ));
        }
        let schema = self.schema(loc);
        let Value::Object(keywords) = &*schema else {
            return Ok(if *schema == false { Ways::All } else { Ways::Some(Vec::new()) });
        };
        let mut ways = Vec::new();
        let mut left_out = None;
        for (name, given) in keywords {
            match self.ways_for(loc, name, given, asked)? {
                Some(Ways::All) => return Ok(Ways::All),
                Some(Ways::Some(more)) => ways.extend(more),
                None => left_out = left_out.or(Some(name)),
            }
        }
        match left_out {
            Some(name) if ways.is_empty() => Err(self.refuse(
                asking,
                keyword,
                format!("cannot be enforced: no grammar holds the opposite of `{name}`"),
            )),
            left_out => {
                self.partial |= left_out.is_some();
                Ok(Ways::Some(ways))
            }
        }
    }

    /// How a document can break one keyword; `None` if that cannot be said.
    fn ways_for(&mut self, loc: Loc, name: &str, given: &Value, asked: Asked) -> Result<Option<Ways>> {
        if let Some(ways) = opposites(name, given) {
            return Ok(Some(Ways::Some(ways)));
        }
        match name {
            "properties" => self.wrong_property(loc, given, asked),
            "not" => Ok(Some(Ways::Some(vec![self.copy(loc, &["not"])?]))),
            "$ref" => {
                let target = self.referred(loc)?;
                self.ways_to_break(target, asked.deeper()).map(Some)
            }
            "allOf" => {
                let mut ways = Vec::new();
                for index in 0..given.as_array().map_or(0, Vec::len) {
                    let child = self.child(loc, &["allOf", &index.to_string()])?;
                    match self.ways_to_break(child, asked.deeper())? {
                        Ways::All => return Ok(Some(Ways::All)),
                        Ways::Some(more) => ways.extend(more),
                    }
                }
                Ok(Some(Ways::Some(ways)))
            }
            "anyOf" => {
                let mut all = Vec::new();
                for index in 0..given.as_array().map_or(0, Vec::len) {
                    let child = self.child(loc, &["anyOf", &index.to_string()])?;
                    match self.ways_to_break(child, asked.deeper())? {
                        Ways::All => {}
                        Ways::Some(ways) if ways.is_empty() => return Ok(Some(Ways::Some(Vec::new()))),
                        Ways::Some(ways) => all.push(json!({ "anyOf": ways })),
                    }
                }
                Ok(Some(if all.is_empty() { Ways::All } else { Ways::Some(vec![json!({ "allOf": all })]) }))
            }
            // Say nothing by themselves.
            "then" | "else" | "$defs" | "definitions" | "minContains" | "maxContains" => {
                Ok(Some(Ways::Some(Vec::new())))
            }
            _ if is_annotation(name) => Ok(Some(Ways::Some(Vec::new()))),
            _ => Ok(None),
        }
    }

    /// One of the members is there and is not what it should be.
    fn wrong_property(&mut self, loc: Loc, given: &Value, asked: Asked) -> Result<Option<Ways>> {
        let mut ways = Vec::new();
        for property in given.as_object().into_iter().flat_map(Map::keys) {
            let child = self.child(loc, &["properties", property])?;
            let wrong = match self.ways_to_break(child, asked.deeper()) {
                Ok(Ways::Some(wrong)) if wrong.is_empty() => continue,
                Ok(Ways::Some(wrong)) => json!({ "anyOf": wrong }),
                Ok(Ways::All) => Value::Bool(true),
                Err(err) if err.code() == crate::error::Code::Cancelled => return Err(err),
                Err(_) => {
                    self.partial = true;
                    continue;
                }
            };
            ways.push(json!({ "type": "object", "required": [property], "properties": { property: wrong } }));
        }
        Ok(if ways.is_empty() { None } else { Some(Ways::Some(ways)) })
    }

    fn copy(&mut self, loc: Loc, steps: &[&str]) -> Result<Value> {
        let child = self.child(loc, steps)?;
        Ok((*self.schema(child)).clone())
    }
}

/// Which keyword wants a negation, and how many are around it.
#[derive(Clone, Copy)]
struct Asked<'k> {
    asking: Loc,
    keyword: &'k str,
    depth: usize,
}

impl Asked<'_> {
    fn deeper(self) -> Self {
        Asked { depth: self.depth + 1, ..self }
    }
}

/// The ways to break a keyword whose opposite is known without looking further.
fn opposites(name: &str, given: &Value) -> Option<Vec<Value>> {
    let limit = |type_name: &str, opposite: &str, least: i64| {
        let bound = count(given).and_then(|bound| i64::try_from(bound).ok()).unwrap_or(i64::MAX / 2) + least;
        if bound < 0 { Vec::new() } else { vec![json!({ "type": type_name, opposite: bound })] }
    };
    Some(match name {
        "const" => vec![json!({ NOT_ENUM: [given] })],
        "enum" => vec![json!({ NOT_ENUM: given })],
        NOT_ENUM => vec![json!({ "enum": given })],
        "type" => other_types(given),
        "minimum" => vec![json!({ "type": "number", "exclusiveMaximum": given })],
        "maximum" => vec![json!({ "type": "number", "exclusiveMinimum": given })],
        "exclusiveMinimum" if given.is_number() => vec![json!({ "type": "number", "maximum": given })],
        "exclusiveMaximum" if given.is_number() => vec![json!({ "type": "number", "minimum": given })],
        "minLength" => limit("string", "maxLength", -1),
        "maxLength" => limit("string", "minLength", 1),
        "minItems" => limit("array", "maxItems", -1),
        "maxItems" => limit("array", "minItems", 1),
        "minProperties" => limit("object", "maxProperties", -1),
        "maxProperties" => limit("object", "minProperties", 1),
        "pattern" => vec![json!({ "type": "string", NOT_PATTERN: [given] })],
        "required" => {
            let without =
                |name: &Value| json!({ "type": "object", "properties": { name.as_str().unwrap_or_default(): false } });
            given.as_array().into_iter().flatten().map(without).collect()
        }
        _ => return None,
    })
}

fn other_types(given: &Value) -> Vec<Value> {
    let given: Vec<&str> = match given {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    let has =
        |name: &&str| given.contains(name) || (given.contains(&"number") && matches!(*name, "integer" | "fraction"));
    let others = ["null", "boolean", "integer", "fraction", "string", "array", "object"];
    let others: Vec<&str> = others.into_iter().filter(|name| !has(name)).collect();
    if others.is_empty() { Vec::new() } else { vec![json!({ "type": others })] }
}

/// Ways in which a document can break a schema.
enum Ways {
    /// Every document does.
    All,
    /// Those that satisfy one of these; none if the list is empty.
    Some(Vec<Value>),
}
