//! Whether a value satisfies a schema: how `enum` and `const` meet the keywords beside them.

use super::decimal::{Decimal, equal};
use super::keywords::{NOT_ENUM, NOT_PATTERN, count};
use super::pattern::translated;
use super::source::{Loc, Source};
use super::text::{format, has_pattern, matches};
use crate::error::Result;
use llguidance::derivre::RegexAst;
use serde_json::Value;

/// Schemas that lead to each other without a step into the value end here.
const MAX_DEPTH: usize = 300;

impl Source<'_> {
    /// Whether `value` satisfies the schema at a place.
    pub(super) fn holds(&mut self, value: &Value, loc: Loc) -> Result<bool> {
        self.holds_within(value, loc, 0)
    }

    /// As [`Self::holds`], for a value that stands in the `enum` or `const` of the place.
    pub(super) fn rest_holds(&mut self, value: &Value, loc: Loc) -> Result<bool> {
        let schema = self.schema(loc);
        for (keyword, given) in schema.as_object().into_iter().flatten() {
            let own = keyword == "const" || keyword == "enum" && schema.get("const").is_none();
            if !own && !self.keyword_holds(value, loc, keyword, given, 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds_within(&mut self, value: &Value, loc: Loc, depth: usize) -> Result<bool> {
        if depth > MAX_DEPTH {
            return Err(self.refuse(loc, "", "refers to itself without end"));
        }
        let schema = self.schema(loc);
        let Value::Object(keywords) = &*schema else { return Ok(*schema != false) };
        for keyword in keywords.keys() {
            self.spend(1, loc, keyword)?;
            if !self.keyword_holds(value, loc, keyword, &keywords[keyword], depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keyword_holds(&mut self, value: &Value, loc: Loc, keyword: &str, given: &Value, depth: usize) -> Result<bool> {
        let count_of = |given: &Value| given.as_array().map_or(0, Vec::len);
        let of_child = |source: &mut Self, steps: &[&str], value: &Value| {
            let child = source.child(loc, steps)?;
            source.holds_within(value, child, depth)
        };
        Ok(match keyword {
            "$ref" => {
                let target = self.referred(loc)?;
                self.holds_within(value, target, depth)?
            }
            "const" => equal(value, given),
            "enum" | NOT_ENUM => {
                self.spend(count_of(given) / 8, loc, keyword)?;
                given.as_array().into_iter().flatten().any(|one| equal(value, one)) == (keyword == "enum")
            }
            "type" => match given {
                Value::Array(names) => names.iter().any(|name| is_of_type(value, name)),
                name => is_of_type(value, name),
            },
            "allOf" | "anyOf" | "oneOf" => {
                let count = count_of(given);
                let mut right = 0;
                for index in 0..count {
                    right += usize::from(of_child(self, &[keyword, &index.to_string()], value)?);
                }
                match keyword {
                    "allOf" => right == count,
                    "anyOf" => right > 0,
                    _ => right == 1,
                }
            }
            "not" => !of_child(self, &["not"], value)?,
            "if" => {
                let branch = if of_child(self, &["if"], value)? { "then" } else { "else" };
                self.schema(loc).get(branch).is_none() || of_child(self, &[branch], value)?
            }
            _ => match value {
                Value::Number(number) => {
                    Decimal::of(number).is_none_or(|number| number_holds(&number, keyword, given, &self.schema(loc)))
                }
                Value::String(text) => self.text_holds(text, loc, keyword, given)?,
                Value::Array(items) => self.array_holds(items, loc, keyword, given, depth)?,
                Value::Object(_) => self.object_holds(value, loc, keyword, given, depth)?,
                _ => true,
            },
        })
    }

    fn text_holds(&mut self, text: &str, loc: Loc, keyword: &str, given: &Value) -> Result<bool> {
        let length = || text.chars().count();
        let pattern = |given: &Value| has_pattern(given.as_str().unwrap_or_default(), text);
        let held = match keyword {
            "minLength" => Ok(count(given).is_none_or(|least| length() >= least)),
            "maxLength" => Ok(count(given).is_none_or(|most| length() <= most)),
            "pattern" => pattern(given),
            NOT_PATTERN => {
                given.as_array().into_iter().flatten().try_fold(true, |held, given| Ok(held && !pattern(given)?))
            }
            "format" => match format(given.as_str().unwrap_or_default()) {
                None | Some("") => Ok(true),
                Some(expression) => matches(&RegexAst::Regex(expression.to_string()), text),
            },
            _ => Ok(true),
        };
        held.map_err(|why| self.refuse(loc, keyword, why))
    }

    fn array_holds(&mut self, items: &[Value], loc: Loc, keyword: &str, given: &Value, depth: usize) -> Result<bool> {
        let schema = self.schema(loc);
        match keyword {
            "minItems" => return Ok(count(given).is_none_or(|least| items.len() >= least)),
            "maxItems" => return Ok(count(given).is_none_or(|most| items.len() <= most)),
            "uniqueItems" => {
                let repeated = |(index, item): (usize, &Value)| items[..index].iter().any(|other| equal(item, other));
                return Ok(given != true || !items.iter().enumerate().any(repeated));
            }
            "contains" => {
                let child = self.child(loc, &["contains"])?;
                let mut found = 0;
                for item in items {
                    found += usize::from(self.holds_within(item, child, depth)?);
                }
                let limit = |name: &str| schema.get(name).and_then(count);
                return Ok(
                    found >= limit("minContains").unwrap_or(1) && limit("maxContains").is_none_or(|most| found <= most)
                );
            }
            "items" | "prefixItems" => {}
            _ => return Ok(true),
        }
        for (index, item) in items.iter().enumerate() {
            let steps = item_steps(&schema, index);
            if steps.first().is_some_and(|first| first == keyword || first == "additionalItems" && keyword == "items") {
                let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
                let child = self.child(loc, &steps)?;
                if !self.holds_within(item, child, depth)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn object_holds(&mut self, object: &Value, loc: Loc, keyword: &str, given: &Value, depth: usize) -> Result<bool> {
        let Value::Object(members) = object else { return Ok(true) };
        let has = |name: &Value| name.as_str().is_none_or(|name| members.contains_key(name));
        match keyword {
            "minProperties" => return Ok(count(given).is_none_or(|least| members.len() >= least)),
            "maxProperties" => return Ok(count(given).is_none_or(|most| members.len() <= most)),
            "required" => return Ok(given.as_array().into_iter().flatten().all(has)),
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                for (name, dependent) in
                    given.as_object().into_iter().flatten().filter(|(name, _)| members.contains_key(*name))
                {
                    let held = match dependent {
                        Value::Array(names) => names.iter().all(has),
                        _ => {
                            let child = self.child(loc, &[keyword, name])?;
                            self.holds_within(object, child, depth)?
                        }
                    };
                    if !held {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            "propertyNames" => {
                let child = self.child(loc, &["propertyNames"])?;
                for name in members.keys() {
                    if !self.holds_within(&Value::from(name.as_str()), child, depth)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            "properties" | "patternProperties" | "additionalProperties" => {}
            _ => return Ok(true),
        }
        for (name, value) in members {
            for child in self.property_places(loc, name, Some(keyword))? {
                if !self.holds_within(value, child, depth)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The schemas that a place has for a property: its own, those of matching patterns, else that of all others. `only`
    /// takes those under one keyword.
    pub(super) fn property_places(&mut self, loc: Loc, name: &str, only: Option<&str>) -> Result<Vec<Loc>> {
        let schema = self.schema(loc);
        let asked = |keyword: &str| only.is_none_or(|only| only == keyword);
        let mut places = Vec::new();
        let mut named = false;
        if schema.get("properties").is_some_and(|properties| properties.get(name).is_some()) {
            named = true;
            if asked("properties") {
                places.push(self.child(loc, &["properties", name])?);
            }
        }
        for pattern in schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys())
        {
            if has_pattern(pattern, name)
                .map_err(|why| self.refuse(loc, "patternProperties", format!("{pattern:?} {why}")))?
            {
                named = true;
                if asked("patternProperties") {
                    places.push(self.child(loc, &["patternProperties", pattern])?);
                }
            }
        }
        if !named && asked("additionalProperties") && schema.get("additionalProperties").is_some() {
            places.push(self.child(loc, &["additionalProperties"])?);
        }
        Ok(places)
    }

    /// A pattern of a place in the engine's syntax.
    pub(super) fn pattern(&self, loc: Loc, keyword: &str, pattern: &str) -> Result<String> {
        translated(pattern).map_err(|why| self.refuse(loc, keyword, why))
    }
}

/// The keyword, and the index under it, that speak of an item.
pub(super) fn item_steps(schema: &Value, index: usize) -> Vec<String> {
    let at = |keyword: &str| {
        let list = schema.get(keyword).and_then(Value::as_array);
        list.filter(|list| index < list.len()).map(|_| vec![keyword.to_string(), index.to_string()])
    };
    let rest = |keyword: &str| schema.get(keyword).filter(|rest| !rest.is_array()).map(|_| vec![keyword.to_string()]);
    let listed = at("prefixItems").or_else(|| at("items"));
    let old = schema.get("items").is_some_and(Value::is_array);
    listed.or_else(|| rest(if old { "additionalItems" } else { "items" })).unwrap_or_default()
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    let whole = |value: &Value| value.as_number().and_then(Decimal::of).is_some_and(|number| number.is_whole());
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => whole(value),
        Some("fraction") => value.is_number() && !whole(value),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

fn number_holds(number: &Decimal, keyword: &str, given: &Value, schema: &Value) -> bool {
    let Some(bound) = given.as_number().and_then(Decimal::of) else {
        // Draft 4: true makes the bound beside it exclusive.
        let beside = |name: &str| schema.get(name).and_then(Value::as_number).and_then(Decimal::of);
        return match keyword {
            "exclusiveMinimum" if given == true => beside("minimum").is_none_or(|bound| *number > bound),
            "exclusiveMaximum" if given == true => beside("maximum").is_none_or(|bound| *number < bound),
            _ => true,
        };
    };
    match keyword {
        "minimum" => *number >= bound,
        "maximum" => *number <= bound,
        "exclusiveMinimum" => *number > bound,
        "exclusiveMaximum" => *number < bound,
        "multipleOf" => number.is_multiple(&bound).unwrap_or(false),
        _ => true,
    }
}
