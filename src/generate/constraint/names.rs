//! Names that parts of a JSON Schema have (`$id`, `$anchor`), and where a `$ref` leads. Nothing is fetched.

use super::pointer::{descend, percent_decoded, step, unescaped};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::HashMap;

/// Keywords whose values are documents and no schemas, whatever they look like.
const DOCUMENTS: [&str; 5] = ["const", "default", "enum", "example", "examples"];
/// Keywords with a schema under each name, whatever the name is.
const BY_NAME: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Pointers by name: `#anchor`, or an `$id` as it is written; `None` where several parts have the name.
type Known = HashMap<String, Option<String>>;

/// The names in a schema, looked for once a reference has one.
pub(super) struct Names<'v> {
    root: &'v Value,
    known: OnceCell<Known>,
}

/// Where a reference leads.
pub(super) enum Target<'v> {
    /// To a place, whose pointer this is.
    Place(String, &'v Value),
    Nowhere,
    /// To any of several.
    Several,
}

impl<'v> Names<'v> {
    pub(super) fn of(root: &'v Value) -> Self {
        Names { root, known: OnceCell::new() }
    }

    /// What the `reference` of the place at `from` leads to.
    pub(super) fn target(&self, from: &str, reference: &str) -> Target<'v> {
        let pointer = match self.pointer(from, reference) {
            Ok(pointer) => pointer,
            Err(target) => return target,
        };
        let canonical = parts(&pointer).iter().fold("#".to_owned(), |pointer, part| step(&pointer, part));
        found(self.root, &pointer).map_or(Target::Nowhere, |schema| Target::Place(canonical, schema))
    }

    fn pointer(&self, from: &str, reference: &str) -> Result<String, Target<'v>> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = if base.is_empty() { resource(self.root, from) } else { self.named(base)? };
        let fragment = percent_decoded(fragment).ok_or(Target::Nowhere)?;
        if fragment.is_empty() {
            return Ok(resource);
        }
        if !fragment.starts_with('/') {
            return self.named(&format!("#{fragment}"));
        }
        let inside = resource + &fragment;
        // Many a schema with an `$id` inside is written as if it had none.
        Ok(if found(self.root, &inside).is_some() || !base.is_empty() { inside } else { format!("#{fragment}") })
    }

    fn named(&self, name: &str) -> Result<String, Target<'v>> {
        match self.known.get_or_init(|| known(self.root)).get(name) {
            Some(Some(pointer)) => Ok(pointer.clone()),
            Some(None) => Err(Target::Several),
            None => Err(Target::Nowhere),
        }
    }
}

/// Every name in a schema.
fn known(root: &Value) -> Known {
    let mut names = Known::new();
    let mut waiting = vec![(root, "#".to_owned())];
    while let Some((schema, pointer)) = waiting.pop() {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    let inside = step(&pointer, keyword);
                    if let Some(name) = value.as_str().and_then(|value| name(keyword, value)) {
                        names.entry(name).and_modify(|known| *known = None).or_insert_with(|| Some(pointer.clone()));
                    } else if let (true, Value::Object(schemas)) = (BY_NAME.contains(&keyword.as_str()), value) {
                        waiting.extend(schemas.iter().map(|(name, schema)| (schema, step(&inside, name))));
                    } else if !DOCUMENTS.contains(&keyword.as_str()) {
                        waiting.push((value, inside));
                    }
                }
            }
            Value::Array(items) => {
                waiting.extend(items.iter().enumerate().map(|(at, item)| (item, step(&pointer, &at.to_string()))));
            }
            _ => {}
        }
    }
    names
}

/// The name that a keyword gives.
fn name(keyword: &str, value: &str) -> Option<String> {
    match keyword {
        "$anchor" | "$dynamicAnchor" => Some(format!("#{value}")),
        "$id" | "id" if value.starts_with('#') => Some(value.to_owned()),
        "$id" | "id" => Some(value.trim_end_matches('#').to_owned()),
        _ => None,
    }
}

/// The pointer of the resource that the place at `pointer` is in: the innermost part with an `$id` around it, else the whole.
fn resource(root: &Value, pointer: &str) -> String {
    let (mut schema, mut at, mut resource) = (root, "#".to_owned(), "#".to_owned());
    for part in parts(pointer) {
        let Some(inside) = descend(schema, &[&part]) else { break };
        (schema, at) = (inside, step(&at, &part));
        if schema.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) {
            resource.clone_from(&at);
        }
    }
    resource
}

fn parts(pointer: &str) -> Vec<String> {
    pointer.trim_start_matches('#').split('/').skip(1).map(unescaped).collect()
}

fn found<'v>(root: &'v Value, pointer: &str) -> Option<&'v Value> {
    let parts = parts(pointer);
    descend(root, &parts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(root: &Value, from: &str, reference: &str) -> String {
        match Names::of(root).target(from, reference) {
            Target::Place(pointer, _) => pointer,
            Target::Nowhere => "nowhere".to_owned(),
            Target::Several => "several".to_owned(),
        }
    }

    #[test]
    fn references_lead_where_the_specification_says() {
        let root = json!({
            "$id": "https://a/root.json",
            "$defs": {
                "n": { "$anchor": "same", "type": "number" },
                "inner": { "$id": "inner.json", "$defs": { "n": { "type": "null" } }, "items": { "$ref": "#/$defs/n" } },
                "twice": { "$id": "twice.json", "items": { "$anchor": "same" } },
                "enum": { "$id": "named-enum.json" },
                "a/b": { "$anchor": "one" },
            },
            "enum": [{ "$id": "document.json", "$anchor": "document" }],
            "properties": { "$id": { "type": "string" }, "const": { "$anchor": "property" } },
        });
        for (from, reference, expected) in [
            ("#", "#", "#"),
            ("#", "https://a/root.json", "#"),
            ("#", "#/$defs/n", "#/$defs/n"),
            ("#/$defs/inner/items", "#/$defs/n", "#/$defs/inner/$defs/n"),
            ("#/$defs/inner/items", "#", "#/$defs/inner"),
            ("#/$defs/inner/items", "#/$defs/twice", "#/$defs/twice"),
            ("#", "inner.json#/$defs/n", "#/$defs/inner/$defs/n"),
            ("#", "inner.json#/$defs/twice", "nowhere"),
            ("#", "named-enum.json", "#/$defs/enum"),
            ("#", "#one", "#/$defs/a~1b"),
            ("#", "#/$defs/a~1b", "#/$defs/a~1b"),
            ("#", "#/$defs/a%7E1b", "#/$defs/a~1b"),
            ("#", "#property", "#/properties/const"),
            ("#", "#same", "several"),
            ("#", "document.json", "nowhere"),
            ("#", "#document", "nowhere"),
            ("#", "https://b/other.json", "nowhere"),
            ("#", "#/%FF", "nowhere"),
        ] {
            assert_eq!(target(&root, from, reference), expected, "{from} {reference}");
        }
    }
}
