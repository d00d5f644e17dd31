//! Documents under a JSON Schema, written by a model that knows nothing of JSON.

use crate::control::{Cancel, Control};
use crate::error::{Code, Result};
use crate::generate::test_support::*;
use crate::generate::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn run(session: &mut Session, schema: &Value, seed: u64, max_tokens: usize) -> Result<Generation> {
    let options = GenerateOptions {
        temperature: 1.5,
        seed,
        max_tokens,
        json_schema: Some(schema.clone()),
        ..GenerateOptions::default()
    };
    session.generate("role:engineer", &options, &Cancel::new(), &mut |_| Control::Continue)
}

/// A list of `tests/fixtures/schemas`.
fn table(name: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The same for a validator that takes `$ref` for a URI only where it is percent-encoded.
fn encoded(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => keywords
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => {
                    let encoded = reference
                        .bytes()
                        .map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") });
                    (name.clone(), encoded.collect::<String>().into())
                }
                _ => (name.clone(), encoded(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(encoded).collect(),
        other => other.clone(),
    }
}

fn schemas() -> Vec<Value> {
    let mut schemas = vec![json!({
        "type": "object",
        "required": ["kind", "items"],
        "additionalProperties": false,
        "properties": {
            "kind": { "enum": ["风险", "strength", "<|im_end|>", "a\"b"] },
            "note": { "type": "string", "maxLength": 12 },
            "items": {
                "type": "array", "minItems": 1, "maxItems": 3,
                "items": { "type": "object", "required": ["n", "ok"], "additionalProperties": false,
                           "properties": { "n": { "type": "integer", "minimum": -5, "maximum": 300 }, "ok": { "type": "boolean" } } },
            },
        },
    })];
    schemas.extend(table("accepted.json"));
    schemas.extend(table("dotnet.json"));
    schemas
}

#[test]
fn every_text_is_a_valid_document_also_at_the_token_limit() {
    let model = random_model();
    let mut session = session(&model);
    let (mut cut, mut wrong) = (0, Vec::new());
    let roomy = table("dotnet.json");
    for schema in schemas() {
        // Classes with many required members take more than the shortest limits here.
        let more = if roomy.contains(&schema) { 110 } else { 0 };
        let validator = jsonschema::options().should_validate_formats(true).build(&encoded(&schema)).unwrap();
        for (seed, max_tokens) in (0..6).map(|seed| (seed, more + if seed % 3 == 0 { 120 } else { 62 + seed as usize }))
        {
            let generation = match run(&mut session, &schema, seed, max_tokens) {
                Ok(generation) => generation,
                Err(err) => {
                    wrong.push(format!("{schema}: {err}"));
                    break;
                }
            };
            match serde_json::from_str::<Value>(&generation.text) {
                Ok(value) if validator.is_valid(&value) => {}
                _ => wrong.push(format!("{} does not satisfy {schema}", generation.text)),
            }
            assert!(generation.completion_tokens <= max_tokens);
            assert!(generation.tokens.iter().all(|token| token.logprob.is_finite()));
            cut += usize::from(generation.finish_reason == FinishReason::Length);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cut > 100, "only {cut} documents met the limit; the test does not test it");
}

#[test]
fn greedy_documents_are_valid_on_the_bundled_model() {
    let model = tiny_model();
    let mut session = session(&model);
    for schema in schemas() {
        let options =
            GenerateOptions { max_tokens: 150, json_schema: Some(schema.clone()), ..GenerateOptions::default() };
        let text = session.generate("岗位:工程师", &options, &Cancel::new(), &mut |_| Control::Continue).unwrap().text;
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text} for {schema}"));
        assert!(jsonschema::is_valid(&encoded(&schema), &value), "{text} for {schema}");
    }
}

#[test]
fn forced_text_is_appended_and_its_probability_is_the_models_own() {
    let model = tiny_model();
    let mut session = session(&model);
    let schema = json!({ "const": { "report": "九宫格", "next": ["校准复盘"] } });
    let generation = run(&mut session, &schema, 1, 60).unwrap();
    assert_eq!(generation.text, r#"{"report":"九宫格","next":["校准复盘"]}"#);
    assert_eq!(generation.finish_reason, FinishReason::Stop);
    let ids: Vec<u32> = generation.tokens.iter().map(|token| token.id).collect();
    let prompt = session.prompt_ids("role:engineer", &GenerateOptions::default()).unwrap();
    let scores = session.score(&prompt, &ids, &Cancel::new()).unwrap();
    for (token, score) in generation.tokens.iter().zip(scores) {
        assert!((token.logprob - score).abs() < 1e-3, "{} {score}", token.logprob);
    }
    assert!(generation.tokens.iter().any(|token| token.logprob < -1.0), "a grammar must not hide doubt");
}

#[test]
fn a_document_that_cannot_fit_is_refused_before_it_begins() {
    let schema = json!({ "type": "string", "minLength": 300 });
    let err = run(&mut session(&random_model()), &schema, 0, 40).unwrap_err();
    assert_eq!(err.code(), Code::Schema);
    assert_eq!(err.details()["max_tokens"], 40);
}

#[test]
fn what_cannot_be_enforced_is_an_error_with_its_place() {
    let mut session = session(&random_model());
    for line in table("refused.json") {
        let (schema, part, path) = (&line[0], line[1].as_str().unwrap(), &line[2]);
        let err = match run(&mut session, schema, 0, 100) {
            Err(err) => err,
            Ok(generation) => panic!("{schema} gave {}", generation.text),
        };
        assert_eq!(err.code(), Code::Schema, "{schema}: {err}");
        assert!(err.message().contains(part), "{schema}: {err}");
        assert!(!err.message().contains('\n'));
        assert_eq!(err.details().get("path").unwrap_or(&Value::Null), path, "{schema}: {err}");
    }
}

#[test]
fn the_wrapper_of_chat_apis_is_taken_off() {
    let mut session = session(&random_model());
    let inner = json!({ "type": "object", "properties": { "a": { "const": 7 } }, "required": ["a"], "additionalProperties": false });
    let wrapper = json!({ "name": "answer", "strict": true, "schema": inner });
    for schema in [wrapper.clone(), json!({ "type": "json_schema", "json_schema": wrapper })] {
        assert_eq!(run(&mut session, &schema, 0, 60).unwrap().text, r#"{"a":7}"#);
    }
}

/// An object of `count` required whole numbers.
fn members(count: usize) -> Value {
    let names: Vec<String> = (0..count).map(|i| format!("member {i}")).collect();
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({ "type": "integer" }))).collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

#[test]
fn members_of_one_kind_are_compiled_once() {
    let (schema, cancel) = (members(50), Cancel::new());
    let reader = super::shape::Reader::new(super::source::Source::new(&schema, &cancel));
    let (grammar, automata) = super::grammar::Builder::new(reader).build().unwrap();
    assert_eq!((grammar.patterns.len(), automata.len()), (1, 1));
}

#[test]
fn a_schema_of_more_than_any_size_is_refused_by_its_option() {
    let deep = (0..200).fold(json!({}), |inner, _| json!({ "items": inner }));
    for (schema, hint) in [(deep, "deeper than 128 levels"), (json!({ "const": "a".repeat(2 << 20) }), "too large")] {
        let err = run(&mut session(&random_model()), &schema, 0, 10).unwrap_err();
        assert!(err.message().contains(hint), "{err}");
        assert_eq!(err.details()["option"], "json_schema");
    }
}

/// Each of these made some grammar engine hang or grow without bound. Any outcome will do that comes soon.
#[test]
fn hostile_schemas_end_soon() {
    let model = random_model();
    let mut deep = json!({ "type": "null" });
    for _ in 0..60 {
        deep = json!({ "type": "array", "items": deep, "minItems": 1 });
    }
    let alternatives = |n: usize| -> Vec<Value> {
        (0..n).map(|i| json!({ "properties": { format!("p{i}"): { "const": i } } })).collect()
    };
    let hostile = [
        deep,
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
        json!({ "type": "string", "maxLength": 1_000_000_000u64 }),
        json!({ "type": "string", "minLength": 1_000_000_000u64 }),
        json!({ "type": "array", "items": {}, "minItems": 1_000_000_000u64 }),
        json!({ "type": "array", "items": { "type": "null" }, "maxItems": 4_000_000_000u64 }),
        json!({ "type": "string", "pattern": "^((a{1,300}){1,300}){1,300}$" }),
        json!({ "type": "string", "pattern": "^(a|aa|aaa|b.*c.*d)*(x?){40}x{40}$" }),
        json!({ "allOf": (0..12).map(|_| json!({ "anyOf": alternatives(6) })).collect::<Vec<_>>() }),
        json!({ "type": "number", "multipleOf": 0.000000000001, "minimum": 1e300 }),
        json!({ "enum": (0..20_000).map(|i| format!("value {i}")).collect::<Vec<_>>() }),
        members(5_000),
    ];
    for schema in hostile {
        let begin = Instant::now();
        let result = run(&mut session(&model), &schema, 3, 64);
        let text = schema.to_string().chars().take(100).collect::<String>();
        let outcome = result.map(|generation| generation.text.len()).map_err(|err| err.message().to_string());
        eprintln!("{:6.0} ms {text} → {outcome:?}", begin.elapsed().as_secs_f64() * 1e3);
        assert!(begin.elapsed() < Duration::from_secs(20), "{text}");
    }
}
