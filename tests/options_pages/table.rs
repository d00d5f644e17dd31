//! One set of options as a table: name, default, values and what it means; choices below it, each with its meaning.

use crate::language::Language;
use serde_json::{Map, Value};

pub fn of(
    set: &str,
    schema: &Value,
    language: &Language,
    translations: &Option<Map<String, Value>>,
) -> Result<String, String> {
    let described = |key: &str, schema: &Value| -> Result<String, String> {
        let (found, place) = match translations {
            Some(translations) => (translations.get(key), "tests/options_pages/options.zh.json"),
            None => (schema.get("description"), "the comments in src/"),
        };
        let text = found.and_then(Value::as_str).ok_or_else(|| format!("`{key}` has no description in {place}"))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|"))
    };
    let [option, default, values, meaning] = language.columns;
    let mut text = format!("| {option} | {default} | {values} | {meaning} |\n|---|---|---|---|\n");
    for (name, property) in properties(schema) {
        let key = format!("{set}.{name}");
        let mut meaning = described(&key, property)?;
        for (choice, schema) in choices(property, schema) {
            meaning += &format!("<br>`{choice}`: {}", described(&format!("{key}.{choice}"), schema)?);
        }
        let values = values_of(property, schema, language);
        text += &format!("| `{name}` | `{}` | {values} | {meaning} |\n", default_of(property));
    }
    Ok(text)
}

/// The keys under which a language has the descriptions.
pub fn keys(set: &str, schema: &Value) -> Vec<String> {
    let of_one = |(name, property): (&String, &Value)| {
        let key = format!("{set}.{name}");
        let choices = choices(property, schema).into_iter().map(|(choice, _)| format!("{key}.{choice}"));
        choices.chain([key.clone()]).collect::<Vec<_>>()
    };
    properties(schema).flat_map(of_one).collect()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// A set of options inside another has a section of its own.
fn default_of(property: &Value) -> String {
    match property.get("default") {
        Some(Value::Object(inner)) if !inner.is_empty() => "{…}".to_owned(),
        Some(default) => default.to_string().replace('|', "\\|"),
        None => "null".to_owned(),
    }
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    reference.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

fn list<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

/// Words that an option may be, where each has a meaning of its own.
fn choices<'a>(property: &'a Value, root: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let property = resolved(property, root);
    let own = list(property, "oneOf").filter_map(|choice| Some((choice.get("const")?.as_str()?, choice)));
    own.chain(list(property, "anyOf").flat_map(|alternative| choices(alternative, root))).collect()
}

fn values_of(property: &Value, root: &Value, language: &Language) -> String {
    let schema = resolved(property, root);
    let words: Vec<String> = list(schema, "oneOf")
        .chain(list(schema, "anyOf"))
        .map(|alternative| match alternative.get("const") {
            Some(word) => format!("`{}`", word.as_str().unwrap_or_default()),
            None => values_of(alternative, root, language),
        })
        .collect();
    if !words.is_empty() {
        let all_words = words.iter().all(|word| word.starts_with('`'));
        return words.join(if all_words { language.comma } else { language.or });
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => return language.any.to_owned(),
    };
    let word = |kind: &&str| match *kind {
        "integer" | "number" => format!("{}{}", language.word(kind), range(schema, language)),
        "object" => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => format!("{} ({})", language.word("object"), values_of(values, root, language)),
            None => language.word("object"),
        },
        other => language.word(other),
    };
    kinds.iter().map(word).collect::<Vec<_>>().join(language.or)
}

/// ` 1–4096`, ` ≥ 8`, ` > 0, ≤ 1`. What a type holds at most is no bound that anyone looks for.
fn range(schema: &Value, language: &Language) -> String {
    let bound = |keyword: &str| {
        let bound =
            schema.get(keyword).filter(|bound| bound.as_u64().is_none_or(|bound| bound < u64::from(u32::MAX)))?;
        let text = bound.to_string();
        Some(text.strip_suffix(".0").unwrap_or(&text).to_owned())
    };
    if let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) {
        return format!(" {least}–{most}");
    }
    let signs = [("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<")];
    let bounds: Vec<String> =
        signs.iter().filter_map(|(keyword, sign)| Some(format!(" {sign} {}", bound(keyword)?))).collect();
    bounds.join(language.comma.trim_end())
}
