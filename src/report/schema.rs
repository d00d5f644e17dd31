//! The JSON Schema of a report's document, for one case: sources are an enum of the fields that this case has.

use crate::conclusions::Kind;
use crate::error::{Code, Error, Result};
use crate::fields::Fields;
use serde_json::{Value, json};

/// Characters of the built-in schema's texts: bounded, so that a report ends.
const MAX_REPORT_CHARS: usize = 600;
const MAX_CONCLUSION_CHARS: usize = 200;

/// Marks where a host's schema wants an enum that only the case knows.
const ENUM_KEYWORD: &str = "x-tailora-enum";

/// The schema that is used when the host gives none.
pub(crate) fn built_in(fields: &Fields, max_conclusions: usize) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["report", "conclusions"],
        "properties": {
            "report": { "type": "string", "minLength": 1, "maxLength": MAX_REPORT_CHARS },
            "conclusions": {
                "type": "array",
                "minItems": 1,
                "maxItems": max_conclusions,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["kind", "text", "source"],
                    "properties": {
                        "kind": { "enum": Kind::NAMES },
                        "text": { "type": "string", "minLength": 1, "maxLength": MAX_CONCLUSION_CHARS },
                        "source": { "enum": names(fields) },
                    },
                },
            },
        },
    })
}

/// The host's schema with the case's field names where it asks for them.
pub(crate) fn with_fields(schema: &Value, fields: &Fields) -> Result<Value> {
    Ok(match schema {
        Value::Object(keywords) => {
            let mut filled = serde_json::Map::new();
            for (keyword, value) in keywords {
                if keyword != ENUM_KEYWORD {
                    filled.insert(keyword.clone(), with_fields(value, fields)?);
                } else if value == "fields" {
                    filled.insert("enum".to_string(), names(fields));
                } else {
                    return Err(Error::new(
                        Code::Schema,
                        format!("the JSON Schema has `{ENUM_KEYWORD}` {value}; expected \"fields\""),
                    ));
                }
            }
            Value::Object(filled)
        }
        Value::Array(items) => items.iter().map(|item| with_fields(item, fields)).collect::<Result<_>>()?,
        other => other.clone(),
    })
}

fn names(fields: &Fields) -> Value {
    fields.iter().map(|field| field.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_the_fields_of_the_case() {
        let fields = Fields::parse("岗位:工程师,绩效:A").unwrap();
        let schema = built_in(&fields, 3);
        let source = "/properties/conclusions/items/properties/source/enum";
        assert_eq!(schema.pointer(source), Some(&json!(["岗位", "绩效"])));
        assert_eq!(schema.pointer("/properties/conclusions/maxItems"), Some(&json!(3)));
        let host = json!({ "items": [{ "type": "string", ENUM_KEYWORD: "fields" }, true] });
        assert_eq!(
            with_fields(&host, &fields).unwrap(),
            json!({ "items": [{ "type": "string", "enum": ["岗位", "绩效"] }, true] })
        );
        let err = with_fields(&json!({ ENUM_KEYWORD: "rows" }), &fields).unwrap_err();
        assert_eq!(err.code(), Code::Schema);
    }
}
