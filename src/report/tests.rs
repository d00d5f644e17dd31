//! Whole reports on real forward passes.

use super::*;
use crate::conclusions::{Lexicon, sentences};
use crate::control::Control;
use crate::error::Code;
use crate::fields::Fields;
use crate::generate::test_support::{adapter, asset, load, random_model, session, tiny_model};
use crate::language_model::LanguageModel;

pub(super) const CASE: &str = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";
const SHORT_CASE: &str = "role:engineer;rating:A/A-;growth:high";

fn options(value: Value) -> ReportOptions {
    crate::options::from_value(value).unwrap()
}

fn report_on(session: &mut Session, input: &str, value: Value) -> Result<Value> {
    report(session, input, &options(value), &Cancel::new())
}

pub(super) fn write(session: &mut Session, input: &str, value: Value) -> Value {
    let report = report_on(session, input, value).unwrap();
    check(&report, input);
    report
}

/// Holds a report against its schema.
pub(super) fn check_envelope(report: &Value) {
    let schema: Value = serde_json::from_str(REPORT_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(report).map(|err| err.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}\n{report}");
}

/// What holds of every report on fields.
fn check(report: &Value, input: &str) {
    check_envelope(report);
    let fields = Fields::parse(input).unwrap();
    for source in report["conclusions"].as_array().unwrap().iter().flat_map(|c| c["sources"].as_array().unwrap()) {
        let field = fields.iter().find(|field| source["field"] == field.name);
        assert_eq!(source["value"], field.unwrap().value.as_str());
    }
}

fn text_of(conclusion: &Value) -> &str {
    conclusion["text"].as_str().unwrap()
}

#[test]
fn a_random_model_in_schema_mode_always_reports_validly_and_cites_only_the_input() {
    let model = random_model();
    let mut session = session(&model);
    let (mut cut, mut conclusions) = (0, 0);
    for seed in 0..30 {
        let max_tokens = [120, 160, 330][seed % 3];
        let report = write(
            &mut session,
            SHORT_CASE,
            json!({
                "mode": "schema", "max_conclusions": 2, "influence": seed % 10 == 0, "tell_schema": false,
                "generate": { "temperature": 1.5, "seed": seed, "max_tokens": max_tokens },
            }),
        );
        cut += usize::from(report["generation"]["finish_reason"] == "length");
        for conclusion in report["conclusions"].as_array().unwrap() {
            conclusions += 1;
            let measured = seed % 10 == 0;
            assert_eq!(conclusion["noise"].is_number(), measured);
            assert!(measured || conclusion["sources"].as_array().map(Vec::len) == Some(1));
        }
        assert!(report["conclusions"].as_array().unwrap().len() <= 2);
        assert_eq!(report["generation"]["seed"], seed);
        let items = report["document"]["conclusions"].as_array().unwrap();
        assert!(
            items
                .iter()
                .all(|item| item["source"] == "role" || item["source"] == "rating" || item["source"] == "growth")
        );
    }
    assert!(cut > 0 && conclusions > 20, "{cut} {conclusions}");
}

#[test]
fn a_host_schema_gives_its_document_and_its_conclusions() {
    let model = random_model();
    let mut session = session(&model);
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["box", "conclusions"],
        "properties": {
            "box": { "enum": ["star", "core"] },
            "conclusions": { "type": "array", "minItems": 1, "maxItems": 2, "items": {
                "type": "object", "additionalProperties": false, "required": ["text", "sources"],
                "properties": {
                    "text": { "type": "string", "minLength": 2, "maxLength": 10 },
                    "sources": { "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "string", "x-tailora-enum": "fields" } },
                },
            } },
        },
    });
    for seed in 0..8 {
        let generate = json!({ "temperature": 1.2, "seed": seed, "max_tokens": 200 });
        let options = json!({ "schema": schema, "tell_schema": false, "influence": false, "generate": generate });
        let report = write(&mut session, SHORT_CASE, options);
        let filled = schema::Marked::read(&schema, &json!(["role", "rating", "growth"])).unwrap().schema;
        let document = &report["document"];
        assert!(jsonschema::is_valid(&filled, document), "{document}");
        let items = document["conclusions"].as_array().unwrap();
        let said = items.iter().filter(|item| !item["text"].as_str().unwrap().trim().is_empty());
        for (item, conclusion) in said.zip(report["conclusions"].as_array().unwrap()) {
            assert_eq!(item["text"], conclusion["text"]);
            let cited: Vec<&Value> = item["sources"].as_array().unwrap().iter().collect();
            let sources = conclusion["sources"].as_array().unwrap();
            assert!(sources.iter().all(|source| cited.contains(&&source["field"])));
            assert!(cited.iter().all(|field| sources.iter().any(|source| source["field"] == **field)));
        }
    }
    // Without a list of conclusions, what the schema marks.
    let flat = json!({ "type": "object", "additionalProperties": false, "required": ["report", "box"],
        "properties": { "report": { "const": "Strong engineer.", "x-tailora-text": true }, "box": { "enum": ["star"] } } });
    let report = write(&mut session, SHORT_CASE, json!({ "schema": flat }));
    assert_eq!(report["report"], "Strong engineer.");
    let said: Vec<&str> = report["conclusions"].as_array().unwrap().iter().map(text_of).collect();
    assert_eq!(said, ["Strong engineer."]);
    assert_eq!(report["conclusions"][0]["kind"], "strength");
    assert!(report["conclusions"][0]["confidence"].as_f64().unwrap() < 0.2, "the grammar must not make it sure");
}

#[test]
fn text_mode_measures_every_sentence() {
    let model = tiny_model();
    let mut session = session(&model);
    let generate = json!({ "max_tokens": 120, "system": "你是一名资深HR专家。" });
    let report = write(&mut session, CASE, json!({ "generate": generate }));
    let conclusions = report["conclusions"].as_array().unwrap();
    assert!(!conclusions.is_empty(), "{report}");
    let text = report["report"].as_str().unwrap();
    let (mut from, mut grounded) = (0, 0);
    for conclusion in conclusions {
        from += text[from..].find(text_of(conclusion)).unwrap();
        let influences: Vec<f64> = conclusion["sources"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|source| source["influence"].as_f64())
            .collect();
        assert!(influences.is_sorted_by(|a, b| a >= b), "{influences:?}");
        assert!(influences.iter().all(|influence| *influence > conclusion["noise"].as_f64().unwrap()), "{conclusion}");
        grounded += usize::from(conclusion["grounded"] == true);
        assert_eq!(conclusion["kind"], Lexicon::built_in().kind(text_of(conclusion)).name());
        assert_eq!(conclusion["confidence_kind"], "uncalibrated");
    }
    assert!(grounded > 0, "{report}");
    measured_by_hand(&model, &report, generate);
}

/// Confidence and influences of the first conclusion, each text generated alone.
fn measured_by_hand(model: &LanguageModel, report: &Value, generate: Value) {
    let mut generate: GenerateOptions = crate::options::from_value(generate).unwrap();
    generate.top_logprobs = 2;
    let mut session = session(model);
    let mut text =
        |input: &str| session.generate(input, &generate, &Cancel::new(), &mut |_| Control::Continue).unwrap();
    let generation = text(CASE);
    assert_eq!(generation.text, report["report"].as_str().unwrap());
    let first = &report["conclusions"][0];
    let start = generation.text.find(text_of(first)).unwrap();
    let end = start + text_of(first).len();
    let inside = generation.tokens.iter().filter(|token| token.start < end && token.end > start);
    let decided = inside.filter(|token| token.top.iter().any(|top| top.id != token.id && top.logprob.exp() >= 0.02));
    let product: f64 = decided.map(|token| f64::from(token.logprob).exp()).product();
    assert!((first["confidence"].as_f64().unwrap() - product).abs() < 1e-4, "{first} {product}");

    let fields = Fields::parse(CASE).unwrap();
    let form = Form::of(&options(json!({})), &Subject::Fields(fields.clone())).unwrap();
    for (index, field) in fields.iter().enumerate() {
        let others = substitutes::substitutes(field, &LearntRows::default(), 5);
        let keeps = |value: &String| {
            let other = Subject::Fields(fields.with_value(index, value));
            let this = said(text_of(first), &form, &Subject::Fields(fields.clone()));
            said(&text(&other.text()).text, &form, &other).iter().any(|other| this[0].holds_in(other))
        };
        let mut keeps = keeps;
        let moved = others.iter().filter(|value| !keeps(value)).count();
        let source = first["sources"].as_array().unwrap().iter().find(|source| source["field"] == field.name.as_str());
        let expected = moved as f64 / others.len() as f64;
        match source.and_then(|source| source["influence"].as_f64()) {
            Some(influence) => assert!((influence - expected).abs() < 1e-6, "{source:?} {expected}"),
            None => {
                assert!(others.is_empty() || expected <= first["noise"].as_f64().unwrap(), "{} {expected}", field.name)
            }
        }
    }
}

#[test]
fn a_case_of_many_fields_takes_a_bounded_number_of_reports() {
    let model = tiny_model();
    let mut session = session(&model);
    let case: String = (0..125).map(|index| format!("f{index}:{},", index * 7 % 100)).collect();
    let report = write(&mut session, &case, json!({ "generate": { "max_tokens": 6 } }));
    assert!(!report["conclusions"].as_array().unwrap().is_empty());
    let cancel = Cancel::new();
    cancel.request();
    let err = super::report(&mut session, &case, &options(json!({})), &cancel).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}

#[test]
fn the_same_case_as_an_object_gives_the_same_report() {
    let model = tiny_model();
    let mut session = session(&model);
    let generate = json!({ "generate": { "max_tokens": 60 } });
    let object =
        json!({ "岗位": "P7高级架构师", "绩效": "A/A-", "潜力": "高", "技术深度": "9/10", "跨团队协作": "6/10" })
            .to_string();
    assert_eq!(write(&mut session, CASE, generate.clone()), write(&mut session, &object, generate));
}

#[test]
fn a_conversation_stands_before_the_case() {
    let model = tiny_model();
    let mut session = session(&model);
    let messages =
        json!([{ "role": "user", "content": "岗位:P6,绩效:B" }, { "role": "assistant", "content": "表现稳定。" }]);
    let generate = json!({ "max_tokens": 40, "messages": messages });
    let written = write(&mut session, CASE, json!({ "generate": generate.clone() }));
    let options: GenerateOptions = crate::options::from_value(generate.clone()).unwrap();
    let prompt = session.prompt_ids(&Fields::parse(CASE).unwrap().text(), &options).unwrap();
    assert_eq!(written["generation"]["prompt_tokens"], prompt.len());
    measured_by_hand(&model, &written, generate);
}

#[test]
fn the_envelope_says_what_made_the_report() {
    let model = random_model();
    let mut session = session(&model);
    session.attach(&adapter(&model), 0.75).unwrap();
    let report =
        write(&mut session, SHORT_CASE, json!({ "influence": false, "generate": { "max_tokens": 20, "seed": 4 } }));
    assert_eq!(report["model"], json!({ "name": model.name(), "sha256": model.sha256().unwrap() }));
    let attached = adapter(&model);
    assert_eq!(report["adapters"], json!([{ "name": attached.name(), "version": attached.version(), "scale": 0.75 }]));
    assert_eq!(report["generation"]["seed"], 4);
    assert!(report["generation"]["prompt_tokens"].as_u64().unwrap() > 0);
    assert_eq!(report["schema"], "tailora.report/1");
}

#[test]
fn at_most_so_many_conclusions() {
    let model = tiny_model();
    let report = write(
        &mut session(&model),
        CASE,
        json!({ "max_conclusions": 1, "influence": false, "generate": { "max_tokens": 150, "temperature": 1.0 } }),
    );
    assert_eq!(report["conclusions"].as_array().unwrap().len(), 1);
    let said = sentences(report["report"].as_str().unwrap(), &Lexicon::built_in());
    assert!(said.len() > 1, "{report}");
    assert_eq!(report["omitted_conclusions"], said.len() - 1);
}

#[test]
fn what_cannot_be_reported_on_is_refused() {
    let model = random_model();
    let mut session = session(&model);
    let mut fails =
        |input: &str, value: Value| report(&mut session, input, &options(value), &Cancel::new()).unwrap_err().code();
    assert_eq!(fails("", json!({})), Code::InvalidArgument);
    assert_eq!(fails("just prose", json!({})), Code::InvalidArgument);
    assert_eq!(fails(&format!("a:{}", "x".repeat(900)), json!({})), Code::ContextLength);
    assert_eq!(fails(SHORT_CASE, json!({ "schema": { "type": "nothing" } })), Code::Schema);
    assert_eq!(fails(SHORT_CASE, json!({ "mode": "schema", "generate": { "max_tokens": 5 } })), Code::Schema);
    let cancel = Cancel::new();
    cancel.request();
    assert_eq!(report(&mut session, SHORT_CASE, &options(json!({})), &cancel).unwrap_err().code(), Code::Cancelled);
}

#[test]
fn trained_models_of_another_family_report_too() {
    // SentencePiece with byte fallback, no chat template.
    let Some(dir) = asset("models/stories260K-hf") else { return };
    let case = "name:Lily,animal:dog";
    let mut session = session(&load(&dir));
    let report = write(&mut session, case, json!({ "generate": { "max_tokens": 150 } }));
    assert!(!report["conclusions"].as_array().unwrap().is_empty(), "{report}");
    for seed in 0..5 {
        let generate = json!({ "max_tokens": 300, "temperature": 1.0, "seed": seed });
        let report = write(&mut session, case, json!({ "mode": "schema", "generate": generate }));
        assert!(!report["conclusions"].as_array().unwrap().is_empty(), "{report}");
    }
    // This one's vocabulary has no braces.
    let Some(dir) = asset("models/tinystories-656k") else { return };
    let mut session = crate::generate::test_support::session(&load(&dir));
    write(&mut session, case, json!({ "generate": { "max_tokens": 100 } }));
    let err = report_on(&mut session, case, json!({ "mode": "schema" })).unwrap_err();
    assert_eq!(err.code(), Code::Schema);
    assert!(err.message().contains("vocabulary"), "{err}");
}

/// A value cannot cite a field that it names.
#[test]
fn a_value_that_reads_like_a_field_is_none() {
    let model = random_model();
    let mut session = session(&model);
    let input = json!({ "self": "careful,rating:A/A-", "role": "engineer" }).to_string();
    for seed in 0..4 {
        let generate = json!({ "temperature": 1.5, "seed": seed, "max_tokens": 160 });
        let report = write(&mut session, &input, json!({ "mode": "schema", "influence": false, "generate": generate }));
        for source in report["conclusions"].as_array().unwrap().iter().flat_map(|c| c["sources"].as_array().unwrap()) {
            assert!(source["field"] == "self" || source["field"] == "role", "{source}");
        }
    }
}
