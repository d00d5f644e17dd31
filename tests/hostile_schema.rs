//! JSON Schemas that took their process down: they overflowed the stack, hung, or grew without bound. Each runs in a child
//! process, on a thread with a stack as small as a host's may be.

mod child;

use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tailora::{Cancel, Code, Control, FinishReason, GenerateOptions, LanguageModel, Monitor, Session};

/// The stack that hosts give a thread on some systems.
const STACK: usize = 1 << 20;

/// A schema may take this long on a busy machine with an unoptimised build; two seconds on an idle one.
const SOON: Duration = Duration::from_secs(20);

fn session() -> Session {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    let model = LanguageModel::load(&dir, &Default::default(), &mut Monitor::none()).unwrap();
    Session::new(&model, &Default::default()).unwrap()
}

fn options(schema: Value) -> GenerateOptions {
    GenerateOptions { json_schema: Some(schema), max_tokens: 60, ..Default::default() }
}

/// The text, or the message of a refusal, which must be one of the schema.
fn text(session: &mut Session, options: &GenerateOptions) -> Result<String, String> {
    let begun = Instant::now();
    let result = session.generate("role:engineer", options, &Cancel::new(), &mut |_| Control::Continue);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    result.map(|generation| generation.text).map_err(|err| {
        assert_eq!(err.code(), Code::Schema, "{err}");
        err.message().to_string()
    })
}

fn on_small_stack(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap();
    });
}

/// `links` definitions, each made of a reference to the next.
fn chain(links: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    for index in 0..links {
        let next = json!({ "$ref": format!("#/$defs/d{}", index + 1) });
        definitions.insert(format!("d{index}"), link(next));
    }
    definitions.insert(format!("d{links}"), json!({ "type": "integer" }));
    json!({ "$defs": definitions, "$ref": "#/$defs/d0" })
}

#[test]
fn integers_at_the_ends_of_64_bits_are_written_exactly() {
    child::survives(
        "integers_at_the_ends_of_64_bits_are_written_exactly",
        Duration::from_secs(120),
        |_| {},
        || {
            on_small_stack(|| {
                let mut session = session();
                for number in
                    [json!(i64::MIN), json!(-i64::MAX), json!(i64::MAX), json!(u64::MAX), json!(1234567890123456789u64)]
                {
                    for schema in [
                        json!({ "const": number }),
                        json!({ "enum": [number, number] }),
                        json!({ "type": "integer", "minimum": number, "maximum": number }),
                        json!({ "type": "number", "minimum": number, "maximum": number, "not": { "type": "string" } }),
                    ] {
                        let text = text(&mut session, &options(schema)).unwrap();
                        assert_eq!(
                            text.trim_end_matches('0').trim_end_matches('.'),
                            number.to_string().trim_end_matches('0')
                        );
                    }
                }
            });
        },
    );
}

#[test]
fn chains_of_hundreds_of_links_end() {
    child::survives(
        "chains_of_hundreds_of_links_end",
        Duration::from_secs(300),
        |_| {},
        || {
            on_small_stack(|| {
                let mut session = session();
                let links: [fn(Value) -> Value; 10] = [
                    |next| next,
                    |next| json!({ "allOf": [next] }),
                    |next| json!({ "oneOf": [{ "type": "null" }, next] }),
                    |next| json!({ "anyOf": [{ "type": "null" }, next] }),
                    |next| json!({ "not": next }),
                    |next| json!({ "if": next, "then": { "minimum": 3 } }),
                    |next| json!({ "type": "object", "properties": { "a": next } }),
                    |next| json!({ "type": "array", "items": next }),
                    |next| json!({ "type": "array", "prefixItems": [next], "minItems": 1 }),
                    |next| json!({ "enum": [1, 2], "allOf": [next] }),
                ];
                for (index, link) in links.into_iter().enumerate() {
                    let result = text(&mut session, &options(chain(700, link)));
                    println!("{index}: {result:?}");
                    // Plain references are followed however many they are; what they are wrapped in may be too much.
                    assert!(index > 0 || result.is_ok(), "{result:?}");
                    if let Err(message) = result {
                        assert!(message.contains("(at #") || message.contains("no document"), "{message}");
                    }
                }
            });
        },
    );
}

/// Deeper than any JSON text; only a Rust host can bring it.
#[test]
fn a_value_of_any_depth_is_refused() {
    child::survives(
        "a_value_of_any_depth_is_refused",
        Duration::from_secs(60),
        |_| {},
        || {
            on_small_stack(|| {
                let mut deep = json!({});
                for _ in 0..100_000 {
                    deep = Value::Object([("items".to_string(), deep)].into_iter().collect());
                }
                let options = options(deep);
                assert!(text(&mut session(), &options).unwrap_err().contains("nested deeper"));
                // Dropping it would overflow the stack of the test.
                std::mem::forget(options);
            });
        },
    );
}

#[test]
fn what_is_too_dear_is_refused_soon_and_named() {
    child::survives(
        "what_is_too_dear_is_refused_soon_and_named",
        Duration::from_secs(400),
        |_| {},
        || {
            on_small_stack(|| {
                let mut session = session();
                let any_of = |n: usize| -> Vec<Value> {
                    (0..n).map(|i| json!({ "properties": { format!("p{i}"): { "const": i } } })).collect()
                };
                for (schema, keyword) in [
                    (json!({ "type": "number", "multipleOf": 999983 }), "multipleOf"),
                    (
                        json!({ "type": "object", "properties": { "a": { "type": "integer", "multipleOf": 86413 } } }),
                        "multipleOf",
                    ),
                    (json!({ "type": "string", "pattern": "((a{1,300}){1,300}){1,300}" }), "pattern"),
                    (json!({ "type": "string", "pattern": "a.{18}$" }), "pattern"),
                    (
                        json!({ "type": "string", "pattern": "^(.*a){20}$", "minLength": 100, "maxLength": 101 }),
                        "pattern",
                    ),
                    (json!({ "type": "string", "minLength": 1_000_000_000u64 }), "minLength"),
                    (json!({ "type": "array", "contains": { "const": 1 }, "minContains": 100_000 }), "contains"),
                    (json!({ "allOf": (0..12).map(|_| json!({ "anyOf": any_of(8) })).collect::<Vec<_>>() }), "anyOf"),
                    (
                        json!({ "type": "object", "patternProperties": { "a.{5}": {}, "b.{5}": {}, "c.{5}": {}, "d.{5}": {} } }),
                        "patternProperties",
                    ),
                    (json!({ "enum": (0..100_000).map(|i| format!("value {i}")).collect::<Vec<_>>() }), "too large"),
                ] {
                    let err = text(&mut session, &options(schema)).unwrap_err();
                    assert!(err.contains(keyword), "{keyword}: {err}");
                }
                let many = json!({ "enum": (0..20_000).map(|i| format!("value {i}")).collect::<Vec<_>>() });
                assert!(text(&mut session, &options(many)).unwrap().starts_with("\"value "));
                #[cfg(target_os = "linux")]
                {
                    let status = std::fs::read_to_string("/proc/self/status").unwrap();
                    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
                    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
                    assert!(kilobytes < 1 << 20, "{kilobytes} kB at most");
                }
            });
        },
    );
}

#[test]
fn a_request_to_stop_ends_the_compilation() {
    let cancel = Cancel::new();
    cancel.request();
    let schema = json!({ "enum": (0..20_000).collect::<Vec<_>>() });
    let generation = session().generate("x", &options(schema), &cancel, &mut |_| Control::Continue).unwrap();
    assert_eq!((generation.finish_reason, generation.text.as_str()), (FinishReason::Cancelled, ""));
}
