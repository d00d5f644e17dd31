//! Objects of several places: which members there are, and of which names.

use super::keywords::count;
use super::merge::{ordered, smaller};
use super::shape::{FreeMembers, Member, ObjectShape, Reader, Shape};
use super::source::Loc;
use super::text::TextShape;
use crate::error::Result;
use serde_json::{Value, json};

/// Patterns of one object's names; each doubles the kinds of names.
const MOST_NAME_PATTERNS: usize = 4;

impl Reader<'_> {
    /// `None`: there is no such object.
    pub(super) fn object(&mut self, places: &[Loc], least: usize) -> Result<Option<ObjectShape>> {
        let mut shape = ObjectShape { min: least, ..Default::default() };
        let mut names: Vec<String> = Vec::new();
        let mut required: Vec<String> = Vec::new();
        let mut rules = Vec::new();
        for &place in places {
            let schema = self.source.schema(place);
            shape.min = shape.min.max(schema.get("minProperties").and_then(count).unwrap_or(0));
            shape.max = smaller(shape.max, schema.get("maxProperties").and_then(count));
            names.extend(
                schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()),
            );
            required.extend(
                schema
                    .get("required")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
            if schema.get("propertyNames").is_some() {
                rules.push(self.source.child(place, &["propertyNames"])?);
            }
        }
        let kinds = self.kinds_of_names(places, &rules, &mut names)?;
        names.extend(required.iter().cloned());
        let mut known = std::collections::HashSet::new();
        let required: std::collections::HashSet<String> = required.into_iter().collect();
        for name in names {
            if !known.insert(name.clone()) {
                continue;
            }
            shape.taken.push(name.clone());
            let mut member = Vec::new();
            let mut possible = true;
            for &place in places {
                member.extend(self.source.property_places(place, &name, None)?);
            }
            for &rule in &rules {
                possible = possible && self.source.holds(&Value::from(name.as_str()), rule)?;
            }
            possible = possible && !member.iter().any(|&place| *self.source.schema(place) == false);
            let is_required = required.contains(&name);
            match possible {
                true => shape.named.push(Member { name, places: ordered(member), required: is_required }),
                false if is_required => return Ok(None),
                false => {}
            }
        }
        shape.free = kinds;
        self.check_free_names(&shape, places)?;
        Ok(Some(shape).filter(|shape| shape.max.is_none_or(|most| shape.min <= most)))
    }

    /// Free names may repeat, so only one of them counts for certain.
    fn check_free_names(&self, shape: &ObjectShape, places: &[Loc]) -> Result<()> {
        if !shape.free.is_empty() && shape.min > shape.named.len() + 1 {
            let place = places.first().copied().unwrap_or(0);
            let why = format!(
                "is {}, and only {} names are given; no grammar holds that free names differ (name them, or write at most {})",
                shape.min,
                shape.named.len(),
                shape.named.len() + 1
            );
            return Err(self.source.refuse(place, "minProperties", why));
        }
        Ok(())
    }

    /// The kinds of members beyond the named ones: by which patterns their names match. Names that a rule lists are named.
    fn kinds_of_names(&mut self, places: &[Loc], rules: &[Loc], names: &mut Vec<String>) -> Result<Vec<FreeMembers>> {
        let mut patterns: Vec<(Loc, String)> = Vec::new();
        for &place in places {
            let schema = self.source.schema(place);
            let given = schema.get("patternProperties").and_then(Value::as_object);
            patterns.extend(given.into_iter().flat_map(|map| map.keys().map(|pattern| (place, pattern.clone()))));
        }
        if let Some((place, _)) = patterns.get(MOST_NAME_PATTERNS) {
            let why = format!("cannot be enforced for more than {MOST_NAME_PATTERNS} patterns of one object's names");
            return Err(self.source.refuse(*place, "patternProperties", why));
        }
        let mut ruled = vec![TextShape::default()];
        if !rules.is_empty() {
            let mut rules = rules.to_vec();
            rules.push(self.source.make(rules[0], json!({ "type": "string" }))?);
            ruled.clear();
            for shape in self.shapes(&ordered(rules))?.iter() {
                match shape {
                    Shape::Text(text) => ruled.push(text.clone()),
                    Shape::Literals(texts) => {
                        names.extend(texts.iter().filter_map(|text| serde_json::from_str::<String>(text).ok()))
                    }
                    _ => {}
                }
            }
        }
        let mut kinds = Vec::new();
        for chosen in 0..1u32 << patterns.len() {
            let has = |index: usize| chosen >> index & 1 == 1;
            let mut members = Vec::new();
            for (_, (place, pattern)) in patterns.iter().enumerate().filter(|(index, _)| has(*index)) {
                members.push(self.source.child(*place, &["patternProperties", pattern])?);
            }
            for &place in places {
                let named_here = patterns.iter().enumerate().any(|(index, (at, _))| *at == place && has(index));
                if !named_here && self.source.schema(place).get("additionalProperties").is_some() {
                    members.push(self.source.child(place, &["additionalProperties"])?);
                }
            }
            if members.iter().any(|&place| *self.source.schema(place) == false) {
                continue;
            }
            for rule in &ruled {
                let mut names = rule.clone();
                for (index, (place, pattern)) in patterns.iter().enumerate() {
                    let pattern = self.source.pattern(*place, "patternProperties", pattern)?;
                    if has(index) { names.patterns.push(pattern) } else { names.not_patterns.push(pattern) }
                }
                kinds.push(FreeMembers { names, places: ordered(members.clone()) });
            }
        }
        Ok(kinds)
    }
}
