//! Places that speak of one value and leave no alternatives, merged type by type.

use super::decimal::Decimal;
use super::holds::item_steps;
use super::keywords::{NOT_ENUM, NOT_PATTERN, count};
use super::number::NumberShape;
use super::shape::{ArrayShape, Places, Reader, Shape};
use super::source::{Loc, shortened};
use super::text::{self, TextShape};
use crate::error::Result;
use serde_json::{Value, json};

const TYPES: [&str; 7] = ["null", "boolean", "integer", "fraction", "string", "array", "object"];

/// Values that the items of a list without repetition are taken from; each doubles the states.
const MOST_DISTINCT: usize = 10;

/// `prefixItems` and `contains` are written out.
const MOST_WRITTEN_OUT: usize = 1_000;

impl Reader<'_> {
    pub(super) fn merged(&mut self, places: &[Loc]) -> Result<Vec<Shape>> {
        let Some(types) = self.types(places) else { return Ok(Vec::new()) };
        let mut shapes = Vec::new();
        let plain: Vec<Value> = match (types.contains(&"null"), types.contains(&"boolean")) {
            (true, true) => vec![Value::Null, json!(true), json!(false)],
            (true, false) => vec![Value::Null],
            (false, true) => vec![json!(true), json!(false)],
            (false, false) => Vec::new(),
        };
        let excluded = self.excluded(places);
        let plain: Vec<String> = plain.iter().filter(|value| !excluded.contains(value)).map(Value::to_string).collect();
        if !plain.is_empty() {
            shapes.push(Shape::Literals(plain));
        }
        if types.contains(&"integer") || types.contains(&"fraction") {
            shapes.push(Shape::Number(self.number(
                places,
                !types.contains(&"fraction"),
                !types.contains(&"integer"),
                &excluded,
            )?));
        }
        if types.contains(&"string") {
            shapes.extend(self.text(places, &excluded)?.map(Shape::Text));
        }
        for (name, empty) in [("array", json!([])), ("object", json!({}))] {
            if !types.contains(&name) {
                continue;
            }
            let of_this_type = |value: &&Value| if name == "array" { value.is_array() } else { value.is_object() };
            if let Some(value) = excluded.iter().filter(of_this_type).find(|value| **value != empty) {
                let place = places.first().copied().unwrap_or(0);
                let why = format!(
                    "excludes {}; no grammar holds that one {name} is not another (write a `type` beside it)",
                    shortened(&value.to_string())
                );
                return Err(self.source.refuse(place, "not", why));
            }
            // The empty one may be excluded: one that has something in it is meant.
            let least = usize::from(excluded.contains(&empty));
            match name {
                "array" => shapes.extend(self.arrays(places, least)?.into_iter().map(Shape::Array)),
                _ => shapes.extend(self.object(places, least)?.map(Shape::Object)),
            }
        }
        Ok(shapes)
    }

    /// The types that all places allow; `None` if one allows nothing.
    fn types(&self, places: &[Loc]) -> Option<Vec<&'static str>> {
        let mut types = TYPES.to_vec();
        for &place in places {
            let schema = self.source.schema(place);
            if *schema == false {
                return None;
            }
            let given: Vec<&str> = match schema.get("type") {
                None => continue,
                Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                Some(name) => name.as_str().into_iter().collect(),
            };
            types.retain(|name| {
                given.contains(name) || (given.contains(&"number") && matches!(*name, "integer" | "fraction"))
            });
        }
        Some(types)
    }

    /// Values that our own keyword excludes.
    fn excluded(&self, places: &[Loc]) -> Vec<Value> {
        let schemas = places.iter().map(|&place| self.source.schema(place));
        schemas.flat_map(|schema| schema.get(NOT_ENUM).and_then(Value::as_array).cloned().unwrap_or_default()).collect()
    }

    fn number(&mut self, places: &[Loc], integer: bool, fractional: bool, excluded: &[Value]) -> Result<NumberShape> {
        let mut shape = NumberShape { integer, fractional, ..Default::default() };
        for &place in places {
            let schema = self.source.schema(place);
            let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_number).and_then(Decimal::of);
            let strict = |keyword: &str| schema.get(keyword) == Some(&Value::Bool(true));
            if let Some(bound) = bound("minimum") {
                shape.at_least(bound, !strict("exclusiveMinimum"));
            }
            if let Some(bound) = bound("maximum") {
                shape.at_most(bound, !strict("exclusiveMaximum"));
            }
            if let Some(bound) = bound("exclusiveMinimum") {
                shape.at_least(bound, false);
            }
            if let Some(bound) = bound("exclusiveMaximum") {
                shape.at_most(bound, false);
            }
            shape.multiples.extend(bound("multipleOf").filter(|multiple| !shape.multiples.contains(multiple)));
        }
        shape.excluded = excluded.iter().filter_map(Value::as_number).filter_map(Decimal::of).collect();
        Ok(shape)
    }

    /// `None`: there is no such string.
    fn text(&mut self, places: &[Loc], excluded: &[Value]) -> Result<Option<TextShape>> {
        let mut shape = TextShape::default();
        for &place in places {
            let schema = self.source.schema(place);
            shape.min = shape.min.max(schema.get("minLength").and_then(count).unwrap_or(0));
            shape.max = smaller(shape.max, schema.get("maxLength").and_then(count));
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
                shape.patterns.push(self.source.pattern(place, "pattern", pattern)?);
            }
            for pattern in
                schema.get(NOT_PATTERN).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                shape.not_patterns.push(self.source.pattern(place, "pattern", pattern)?);
            }
            if let Some(name) = schema.get("format").and_then(Value::as_str) {
                match text::format(name) {
                    Some("") => {}
                    Some(expression) => shape.formats.push(expression),
                    None => {
                        let nearest = text::nearest_format(name);
                        let why = format!("is {}, which is unknown; did you mean `{nearest}`?", Self::about(name));
                        return Err(self.source.refuse(place, "format", why).with("nearest", nearest));
                    }
                }
            }
        }
        shape.excluded = excluded.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Some(shape).filter(|shape| shape.max.is_none_or(|most| shape.min <= most)))
    }

    /// Several where `contains` can be met at several places.
    fn arrays(&mut self, places: &[Loc], least: usize) -> Result<Vec<ArrayShape>> {
        let Some(limits) = self.list_limits(places, least)? else { return Ok(Vec::new()) };
        let ListLimits { min, max, written, unique, contained, beyond } = limits;
        let mut shapes = Vec::new();
        // What must be contained stands together, after each number of the items that have places of their own.
        for before in 0..=if contained.is_some() { written } else { 0 } {
            let (child, needed) = contained.unwrap_or((0, 0));
            let mut shape =
                ArrayShape { min: min.max(if needed > 0 { before + needed } else { 0 }), max, ..Default::default() };
            for index in 0..written.max(before + needed) {
                let mut item = self.item(places, index)?;
                let inside = needed > 0 && (before..before + needed).contains(&index);
                item.extend(if inside { vec![child] } else { beyond.clone() });
                shape.first.push(ordered(item));
            }
            let mut rest = self.item(places, usize::MAX)?;
            rest.extend(beyond.iter().copied());
            let closed = rest.iter().any(|&place| *self.source.schema(place) == false);
            shape.rest = (!closed).then(|| ordered(rest));
            if let Some(place) = unique {
                self.without_repetition(&mut shape, place)?;
            }
            shapes.push(shape);
        }
        shapes.retain(|shape| shape.max.is_none_or(|most| shape.min <= most));
        Ok(shapes)
    }

    /// `None`: there is no such list.
    fn list_limits(&mut self, places: &[Loc], least: usize) -> Result<Option<ListLimits>> {
        let mut limits = ListLimits { min: least, ..Default::default() };
        for &place in places {
            let schema = self.source.schema(place);
            let limit = |keyword: &str| schema.get(keyword).and_then(count);
            limits.min = limits.min.max(limit("minItems").unwrap_or(0));
            limits.max = smaller(limits.max, limit("maxItems"));
            let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
            limits.written = limits.written.max(list("prefixItems")).max(list("items"));
            if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
                limits.unique = Some(place);
            }
            if schema.get("contains").is_some() {
                let needed = limit("minContains").unwrap_or(1);
                let child = self.source.child(place, &["contains"])?;
                if let Some(most) = limit("maxContains") {
                    if most < needed {
                        return Ok(None);
                    }
                    limits.beyond.push(self.source.negation(child, place, "maxContains")?);
                }
                if needed > 0 && limits.contained.replace((child, needed)).is_some() {
                    return Err(self.source.refuse(place, "contains", "cannot be enforced beside another `contains`"));
                }
            }
        }
        if limits.written > MOST_WRITTEN_OUT || limits.contained.is_some_and(|(_, needed)| needed > MOST_WRITTEN_OUT) {
            let why = format!("or `prefixItems` makes more than {MOST_WRITTEN_OUT} items of their own");
            return Err(self.source.refuse(places.first().copied().unwrap_or(0), "contains", why));
        }
        Ok(Some(limits))
    }

    fn item(&mut self, places: &[Loc], index: usize) -> Result<Places> {
        let mut item = Vec::new();
        for &place in places {
            let steps = item_steps(&self.source.schema(place), index);
            if !steps.is_empty() {
                item.push(self.source.child(place, &steps.iter().map(String::as_str).collect::<Vec<_>>())?);
            }
        }
        Ok(item)
    }

    fn without_repetition(&mut self, shape: &mut ArrayShape, place: Loc) -> Result<()> {
        let most = smaller(shape.max, shape.rest.is_none().then_some(shape.first.len()));
        if most.is_some_and(|most| most <= 1) {
            return Ok(());
        }
        let values = match (&shape.rest, shape.first.is_empty()) {
            (Some(rest), true) => {
                let shapes = self.shapes(rest)?;
                let literals =
                    |shape: &Shape| if let Shape::Literals(texts) = shape { Some(texts.clone()) } else { None };
                shapes.iter().map(literals).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
            }
            _ => None,
        };
        let mut values = values.filter(|values| !values.is_empty()).ok_or_else(|| {
            self.source.refuse(
                place,
                "uniqueItems",
                "cannot be enforced unless `items` is an `enum`, and nothing else stands in the list",
            )
        })?;
        let mut known = Vec::<Value>::new();
        values.retain(|text| {
            let value = serde_json::from_str(text).unwrap_or_default();
            let new = !known.iter().any(|other| super::decimal::equal(other, &value));
            known.push(value);
            new
        });
        if values.len() > MOST_DISTINCT {
            let why =
                format!("cannot be enforced for {} different values; expected at most {MOST_DISTINCT}", values.len());
            return Err(self.source.refuse(place, "uniqueItems", why));
        }
        shape.max = Some(most.unwrap_or(values.len()).min(values.len()));
        shape.distinct = Some(values);
        Ok(())
    }
}

/// What the keywords of lists ask for, of all places together.
#[derive(Default)]
struct ListLimits {
    min: usize,
    max: Option<usize>,
    /// Items with places of their own.
    written: usize,
    /// Where `uniqueItems` stands.
    unique: Option<Loc>,
    /// What must be contained, and how often.
    contained: Option<(Loc, usize)>,
    /// What all other items must be, since what is contained has a limit.
    beyond: Vec<Loc>,
}

pub(super) fn ordered(mut places: Places) -> Places {
    places.sort_unstable();
    places.dedup();
    places
}

pub(super) fn smaller(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
