//! The keywords of JSON Schema as we read them: what constrains a document, what only comments on one, and what cannot be
//! enforced. Anything else is a mistake in the schema and refused with the nearest keyword.

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
