//! What the model is told of its document. A grammar makes every text one that fits, but only a model that knows what it
//! is to write puts sense into it. The schema is told as a type of TypeScript, a quarter of its length.

use serde_json::{Map, Value};

/// Nested deeper, a type is told as `any`.
const MAX_DEPTH: usize = 12;
/// Longer lists of allowed values are cut.
const MAX_VALUES: usize = 64;
/// No prompt holds more.
const MAX_CHARS: usize = 16_384;

/// The sentence that asks for a document of this schema, in the language of the case.
pub(crate) fn task(schema: &Value, case: &str) -> String {
    let mut told = String::new();
    tell(&mut told, schema, schema, 0);
    match case.chars().any(is_han) {
        true => format!("只输出一个JSON文档，类型为：\n{told}"),
        false => format!("Answer with one JSON document of this type:\n{told}"),
    }
}

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

fn tell(out: &mut String, root: &Value, schema: &Value, depth: usize) {
    let Value::Object(keywords) = schema else { return out.push_str("any") };
    if depth > MAX_DEPTH || out.len() > MAX_CHARS {
        return out.push_str("any");
    }
    if let Some(found) = referred(root, keywords) {
        return tell(out, root, found, depth + 1);
    }
    if let Some(value) = keywords.get("const") {
        return out.push_str(&value.to_string());
    }
    if let Some(Value::Array(values)) = keywords.get("enum") {
        let told: Vec<String> = values.iter().take(MAX_VALUES).map(Value::to_string).collect();
        out.push_str(&told.join(" | "));
        return out.push_str(if values.len() > MAX_VALUES { " | …" } else { "" });
    }
    if let Some(Value::Array(branches)) = keywords.get("anyOf").or(keywords.get("oneOf")) {
        return list(out, branches, " | ", |out, branch| tell(out, root, branch, depth + 1));
    }
    match keywords.get("type") {
        Some(Value::String(name)) => tell_type(out, root, keywords, name, depth),
        Some(Value::Array(names)) => list(out, names, " | ", |out, name| {
            tell_type(out, root, keywords, name.as_str().unwrap_or("any"), depth);
        }),
        _ if keywords.contains_key("properties") => tell_type(out, root, keywords, "object", depth),
        _ if keywords.contains_key("items") => tell_type(out, root, keywords, "array", depth),
        _ => out.push_str("any"),
    }
}

/// What a `$ref` within the schema leads to.
pub(super) fn referred<'a>(root: &'a Value, keywords: &'a Map<String, Value>) -> Option<&'a Value> {
    root.pointer(keywords.get("$ref")?.as_str()?.strip_prefix('#')?)
}

fn tell_type(out: &mut String, root: &Value, keywords: &Map<String, Value>, name: &str, depth: usize) {
    match name {
        "object" => tell_object(out, root, keywords, depth),
        "array" => {
            let items = keywords.get("items").unwrap_or(&Value::Null);
            let (least, most) = (keywords.get("minItems"), keywords.get("maxItems"));
            out.push('(');
            tell(out, root, items, depth + 1);
            out.push_str(")[]");
            if let (Some(least), Some(most)) = (least, most) {
                out.push_str(&format!(" /* {least}-{most} */"));
            }
        }
        "integer" => out.push_str("number"),
        other => out.push_str(other),
    }
}

fn tell_object(out: &mut String, root: &Value, keywords: &Map<String, Value>, depth: usize) {
    let Some(Value::Object(properties)) = keywords.get("properties") else { return out.push_str("object") };
    let required = keywords.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|found| found == name));
    out.push_str("{ ");
    list(out, properties, ", ", |out, (name, property)| {
        out.push_str(name);
        out.push_str(if is_required(name) { ": " } else { "?: " });
        tell(out, root, property, depth + 1);
        if let Some(Value::String(description)) = property.get("description") {
            out.push_str(&format!(" /* {} */", description.replace("*/", "")));
        }
    });
    out.push_str(" }");
}

fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, between: &str, mut one: impl FnMut(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        one(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_is_told_as_a_type() {
        let schema = json!({
            "type": "object", "required": ["box", "findings"],
            "properties": {
                "box": { "enum": ["star", "core"], "description": "nine-box" },
                "findings": { "type": "array", "minItems": 1, "maxItems": 3, "items": { "$ref": "#/$defs/finding" } },
                "next": { "type": ["string", "null"] },
                "days": { "type": "integer" },
            },
            "$defs": { "finding": { "anyOf": [
                { "type": "object", "required": ["risk"], "properties": { "risk": { "type": "string" } } },
                { "const": "none" },
            ] } },
        });
        assert_eq!(
            task(&schema, "rating:A"),
            "Answer with one JSON document of this type:\n{ box: \"star\" | \"core\" /* nine-box */, findings: \
             ({ risk: string } | \"none\")[] /* 1-3 */, next?: string | null, days?: number }"
        );
        assert!(task(&schema, "绩效:A").starts_with("只输出一个JSON文档"));
    }

    #[test]
    fn types_that_go_round_or_are_huge_end() {
        let round = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object", "required": ["a"],
            "properties": { "a": { "$ref": "#/$defs/a" } } } } });
        assert!(task(&round, "").contains("any"));
        let wide: Vec<Value> = (0..100_000).map(|_| json!({ "type": "string" })).collect();
        assert!(task(&json!({ "anyOf": wide }), "").len() < 1 << 21);
        let doubling = (0..40).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
        assert!(task(&doubling, "").contains("any"));
    }
}
