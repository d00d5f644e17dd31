//! What a schema does not allow, as a schema: `not`, `if` and `oneOf` need it.
//!
//! By De Morgan, keyword by keyword. A keyword whose opposite no grammar can hold adds no way to break the schema: the
//! result then allows fewer documents than it might, never a wrong one. Nothing left is an error.

use super::keywords::{NOT_ENUM, NOT_PATTERN, is_annotation};
use super::source::{Loc, Source, count};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// Negations in negations, and references on the way.
const MAX_DEPTH: usize = 40;

impl Source<'_> {
    /// A place that holds only where the one given does not. `keyword` of `asking` wants it.
    pub(super) fn negation(&mut self, loc: Loc, asking: Loc, keyword: &str) -> Result<Loc> {
        self.partial = false;
        let ways = self.ways_to_break(loc, asking, keyword, 0)?;
        let negation = match ways {
            Ways::All => Value::Bool(true),
            Ways::Some(ways) if ways.is_empty() => Value::Bool(false),
            Ways::Some(ways) => json!({ "anyOf": ways }),
        };
        self.make(loc, negation)
    }

    fn ways_to_break(&mut self, loc: Loc, asking: Loc, keyword: &str, depth: usize) -> Result<Ways> {
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
            match self.ways_for(loc, name, given, (asking, keyword, depth))? {
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
    fn ways_for(
        &mut self,
        loc: Loc,
        name: &str,
        given: &Value,
        (asking, keyword, depth): (Loc, &str, usize),
    ) -> Result<Option<Ways>> {
        let one = |way: Value| Ok(Some(Ways::Some(vec![way])));
        let limit = |type_name: &str, opposite: &str, least: i64| {
            let bound = count(given).and_then(|bound| i64::try_from(bound).ok()).unwrap_or(i64::MAX / 2) + least;
            if bound < 0 {
                Ok(Some(Ways::Some(Vec::new())))
            } else {
                one(json!({ "type": type_name, opposite: bound }))
            }
        };
        match name {
            "const" => one(json!({ NOT_ENUM: [given] })),
            "enum" => one(json!({ NOT_ENUM: given })),
            NOT_ENUM => one(json!({ "enum": given })),
            "type" => {
                let given: Vec<&str> = match given {
                    Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                    name => name.as_str().into_iter().collect(),
                };
                let has = |name: &&str| {
                    given.contains(name) || (given.contains(&"number") && matches!(*name, "integer" | "fraction"))
                };
                let others = ["null", "boolean", "integer", "fraction", "string", "array", "object"];
                let others: Vec<&str> = others.into_iter().filter(|name| !has(name)).collect();
                if others.is_empty() { Ok(Some(Ways::Some(Vec::new()))) } else { one(json!({ "type": others })) }
            }
            "minimum" => one(json!({ "type": "number", "exclusiveMaximum": given })),
            "maximum" => one(json!({ "type": "number", "exclusiveMinimum": given })),
            "exclusiveMinimum" if given.is_number() => one(json!({ "type": "number", "maximum": given })),
            "exclusiveMaximum" if given.is_number() => one(json!({ "type": "number", "minimum": given })),
            "minLength" => limit("string", "maxLength", -1),
            "maxLength" => limit("string", "minLength", 1),
            "minItems" => limit("array", "maxItems", -1),
            "maxItems" => limit("array", "minItems", 1),
            "minProperties" => limit("object", "maxProperties", -1),
            "maxProperties" => limit("object", "minProperties", 1),
            "pattern" => one(json!({ "type": "string", NOT_PATTERN: [given] })),
            "required" => {
                let without = |name: &Value| json!({ "type": "object", "properties": { name.as_str().unwrap_or_default(): false } });
                Ok(Some(Ways::Some(given.as_array().into_iter().flatten().map(without).collect())))
            }
            "properties" => {
                let mut ways = Vec::new();
                for property in given.as_object().into_iter().flat_map(Map::keys) {
                    let child = self.child(loc, &["properties", property])?;
                    let wrong = match self.ways_to_break(child, asking, keyword, depth + 1) {
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
            "not" => one(self.copy(loc, &["not"])?),
            "$ref" => {
                let target = self.referred(loc)?;
                self.ways_to_break(target, asking, keyword, depth + 1).map(Some)
            }
            "allOf" => {
                let mut ways = Vec::new();
                for index in 0..given.as_array().map_or(0, Vec::len) {
                    let child = self.child(loc, &["allOf", &index.to_string()])?;
                    match self.ways_to_break(child, asking, keyword, depth + 1)? {
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
                    match self.ways_to_break(child, asking, keyword, depth + 1)? {
                        Ways::All => {}
                        Ways::Some(ways) if ways.is_empty() => return Ok(Some(Ways::Some(Vec::new()))),
                        Ways::Some(ways) => all.push(json!({ "anyOf": ways })),
                    }
                }
                if all.is_empty() { Ok(Some(Ways::All)) } else { one(json!({ "allOf": all })) }
            }
            // Say nothing by themselves.
            "then" | "else" | "$defs" | "definitions" | "minContains" | "maxContains" => {
                Ok(Some(Ways::Some(Vec::new())))
            }
            _ if is_annotation(name) => Ok(Some(Ways::Some(Vec::new()))),
            _ => Ok(None),
        }
    }

    fn copy(&mut self, loc: Loc, steps: &[&str]) -> Result<Value> {
        let child = self.child(loc, steps)?;
        Ok((*self.schema(child)).clone())
    }
}

/// Ways in which a document can break a schema.
enum Ways {
    /// Every document does.
    All,
    /// Those that satisfy one of these; none if the list is empty.
    Some(Vec<Value>),
}
