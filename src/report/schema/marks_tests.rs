//! What marks in schemas do.

use super::super::document::Step;
use super::marks::*;
use crate::conclusions::Kind;
use crate::error::Code;
use serde_json::{Value, json};

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

fn host() -> Value {
    json!({
        "type": "object", "required": ["box", "strengths"],
        "properties": {
            "box": { "enum": ["star", "core"] },
            "strengths": { "type": "array", "items": { "$ref": "#/$defs/finding" } },
            "summary": { "type": "string" },
        },
        "$defs": { "finding": {
            "type": "object", "required": ["strength", "confidence", "source", "why"],
            "properties": {
                "strength": { "type": "string", "x-tailora-kind": "strength" },
                "confidence": { "type": "number", "x-tailora-confidence": true },
                "source": { "type": "string", "x-tailora-enum": "fields" },
                "why": { "x-tailora-sources": true },
            },
        } },
    })
}

#[test]
fn the_model_writes_what_is_not_measured() {
    let marked = Marked::read(&host(), &json!(["绩效", "潜力"])).unwrap();
    assert_eq!(
        marked.schema["$defs"]["finding"],
        json!({
            "type": "object", "required": ["strength", "source"],
            "properties": { "strength": { "type": "string" }, "source": { "type": "string", "enum": ["绩效", "潜力"] } },
        })
    );
    assert!(marked.names_conclusions());
    let strength = [key("strengths"), Step::Index(1), key("strength")];
    assert_eq!(marked.role(&strength), Role::Conclusion(Some(Kind::Strength)));
    for other in [vec![key("summary")], vec![key("box")], vec![key("strengths"), Step::Index(0), key("source")]] {
        assert_eq!(marked.role(&other), Role::Other, "{other:?}");
    }
}

#[test]
fn without_marks_every_free_string_is_a_conclusion() {
    let schema = json!({ "properties": { "a": { "type": "string" }, "b": { "enum": ["x"] }, "c": { "const": "y" } } });
    let marked = Marked::read(&schema, &json!([])).unwrap();
    assert!(!marked.names_conclusions());
    assert_eq!(marked.role(&[key("a")]), Role::Conclusion(None));
    assert_eq!(marked.role(&[key("b")]), Role::Other);
    assert_eq!(marked.role(&[key("c")]), Role::Other);
}

#[test]
fn what_was_measured_stands_where_the_schema_has_it() {
    let marked = Marked::read(&host(), &json!(["绩效"])).unwrap();
    let mut document = json!({ "box": "star", "strengths": [
        { "strength": "强", "source": "绩效" }, { "strength": "稳", "source": "绩效" },
    ] });
    let at = |index: usize| vec![key("strengths"), Step::Index(index), key("strength")];
    marked.fill(&mut document, &at(0), &json!(0.9), &json!([{ "field": "绩效" }]));
    marked.fill(&mut document, &at(1), &json!(0.5), &json!([]));
    assert_eq!(
        document.to_string(),
        r#"{"box":"star","strengths":[{"strength":"强","confidence":0.9,"source":"绩效","why":[{"field":"绩效"}]},{"strength":"稳","confidence":0.5,"source":"绩效","why":[]}]}"#
    );
}

#[test]
fn marks_that_say_something_else_are_refused() {
    for (schema, keyword) in [
        (json!({ "x-tailora-enum": "rows" }), "x-tailora-enum"),
        (json!({ "properties": { "a": { "x-tailora-kind": "doubt" } } }), "x-tailora-kind"),
        (json!({ "properties": { "a": { "x-tailora-confidence": "yes" } } }), "x-tailora-confidence"),
        (json!({ "items": { "x-tailora-text": 1 } }), "x-tailora-text"),
    ] {
        let err = Marked::read(&schema, &json!([])).unwrap_err();
        assert_eq!(err.code(), Code::Schema);
        assert_eq!(err.details()["keyword"], keyword);
    }
}

#[test]
fn references_that_go_round_end() {
    let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [
        { "type": "string" }, { "type": "array", "items": { "$ref": "#/$defs/a" } },
    ] } } });
    Marked::read(&schema, &json!([])).unwrap();
}
