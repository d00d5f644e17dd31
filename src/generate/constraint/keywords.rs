//! The keywords of JSON Schema as we read them: what constrains a document, what only comments on one, and what cannot be
//! enforced. Anything else is a mistake in the schema and refused with the nearest keyword.

use serde_json::Value;

/// What a keyword's value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A schema.
    Schema,
    /// A schema, or a list of them (`items` of the drafts before 2020-12).
    SchemaOrList,
    /// A list of schemas with at least one.
    Schemas,
    /// An object whose values are schemas.
    SchemaMap,
    /// An object whose values are schemas or lists of names (`dependencies`).
    Dependencies,
    /// An object whose values are lists of names.
    NameMap,
    /// A list of names.
    Names,
    /// A whole number of at least 0.
    Count,
    Number,
    /// A number above 0.
    Positive,
    /// A number, or true or false (draft 4).
    NumberOrFlag,
    Flag,
    Text,
    /// `type`.
    Types,
    /// A list with at least one value.
    Values,
    Anything,
}

impl Kind {
    /// Whether a value is of the kind; if not, what was expected.
    pub(super) fn check(self, value: &Value) -> Result<(), &'static str> {
        let is_schema = |value: &Value| value.is_object() || value.is_boolean();
        let is_names = |value: &Value| value.as_array().is_some_and(|names| names.iter().all(Value::is_string));
        let all = |test: &dyn Fn(&Value) -> bool| value.as_object().is_some_and(|entries| entries.values().all(test));
        let schemas =
            |least: usize| value.as_array().is_some_and(|list| list.len() >= least && list.iter().all(is_schema));
        let (right, expected) = match self {
            Kind::Schema => (is_schema(value), "a schema: an object, true or false"),
            Kind::SchemaOrList => (is_schema(value) || schemas(0), "a schema or a list of schemas"),
            Kind::Schemas => (schemas(1), "a list of at least one schema"),
            Kind::SchemaMap => (all(&is_schema), "an object of schemas"),
            Kind::Dependencies => {
                (all(&|value| is_schema(value) || is_names(value)), "an object of schemas or lists of names")
            }
            Kind::NameMap => (all(&is_names), "an object of lists of names"),
            Kind::Names => (is_names(value), "a list of names"),
            Kind::Count => (count(value).is_some(), "a whole number of at least 0"),
            Kind::Number => (value.is_number(), "a number"),
            Kind::Positive => (value.as_f64().is_some_and(|value| value > 0.0), "a number above 0"),
            Kind::NumberOrFlag => (value.is_number() || value.is_boolean(), "a number"),
            Kind::Flag => (value.is_boolean(), "true or false"),
            Kind::Text => (value.is_string(), "a text"),
            Kind::Types => {
                let known = ["null", "boolean", "integer", "number", "string", "array", "object"];
                let one = |value: &Value| value.as_str().is_some_and(|name| known.contains(&name));
                let several = value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(one));
                (one(value) || several, "null, boolean, integer, number, string, array or object, or a list of these")
            }
            Kind::Values => (value.as_array().is_some_and(|list| !list.is_empty()), "a list of at least one value"),
            Kind::Anything => (true, ""),
        };
        if right { Ok(()) } else { Err(expected) }
    }
}

/// A count; `3.0` is one too.
pub(super) fn count(value: &Value) -> Option<usize> {
    let float = || value.as_f64().filter(|v| *v >= 0.0 && v.fract() == 0.0).map(|v| v.min(usize::MAX as f64) as usize);
    value.as_u64().map(|value| value as usize).or_else(float)
}

/// What constrains a document.
pub(super) const KEYWORDS: &[(&str, Kind)] = &[
    ("$ref", Kind::Text),
    ("$defs", Kind::SchemaMap),
    ("definitions", Kind::SchemaMap),
    ("type", Kind::Types),
    ("enum", Kind::Values),
    ("const", Kind::Anything),
    ("allOf", Kind::Schemas),
    ("anyOf", Kind::Schemas),
    ("oneOf", Kind::Schemas),
    ("not", Kind::Schema),
    ("if", Kind::Schema),
    ("then", Kind::Schema),
    ("else", Kind::Schema),
    ("properties", Kind::SchemaMap),
    ("required", Kind::Names),
    ("additionalProperties", Kind::Schema),
    ("patternProperties", Kind::SchemaMap),
    ("propertyNames", Kind::Schema),
    ("minProperties", Kind::Count),
    ("maxProperties", Kind::Count),
    ("dependentRequired", Kind::NameMap),
    ("dependentSchemas", Kind::SchemaMap),
    ("dependencies", Kind::Dependencies),
    ("items", Kind::SchemaOrList),
    ("prefixItems", Kind::Schemas),
    ("additionalItems", Kind::Schema),
    ("minItems", Kind::Count),
    ("maxItems", Kind::Count),
    ("uniqueItems", Kind::Flag),
    ("contains", Kind::Schema),
    ("minContains", Kind::Count),
    ("maxContains", Kind::Count),
    ("minLength", Kind::Count),
    ("maxLength", Kind::Count),
    ("pattern", Kind::Text),
    ("format", Kind::Text),
    ("minimum", Kind::Number),
    ("maximum", Kind::Number),
    ("exclusiveMinimum", Kind::NumberOrFlag),
    ("exclusiveMaximum", Kind::NumberOrFlag),
    ("multipleOf", Kind::Positive),
];

/// Ours: what the negation of a schema says beyond JSON Schema. No host can write them, since they are in no table.
pub(super) const NOT_ENUM: &str = "not enum";
pub(super) const NOT_PATTERN: &str = "not pattern";

/// What says something about a document without constraining it: JSON Schema's, and those that the generators of
/// schemas and OpenAPI write. `nullable` is here too: documents without null satisfy every reading of it.
const ANNOTATIONS: &[&str] = &[
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$id",
    "$recursiveAnchor",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "defaultSnippets",
    "deprecated",
    "description",
    "discriminator",
    "enumDescriptions",
    "enumNames",
    "errorMessage",
    "example",
    "examples",
    "externalDocs",
    "id",
    "markdownDescription",
    "nullable",
    "propertyOrder",
    "readOnly",
    "title",
    "writeOnly",
    "xml",
];

/// What constrains a document in a way that no grammar of ours can hold, and what to write instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("unevaluatedProperties", "write `additionalProperties` beside the `properties` that it is about"),
    ("unevaluatedItems", "write `items` after the `prefixItems` that it is about"),
    ("$dynamicRef", "write `$ref`"),
    ("$recursiveRef", "write `$ref`"),
];

pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// The keyword that an unknown one was probably meant to be.
pub(super) fn nearest(keyword: &str) -> &'static str {
    let known = KEYWORDS.iter().map(|(name, _)| *name).chain(ANNOTATIONS.iter().copied());
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &keyword.to_lowercase());
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("properties")
}
