//! Reports on texts, and documents of a host's schema with what was measured in them.

use super::tests::check_envelope;
use super::*;
use crate::error::Code;
use crate::generate::test_support::{random_model, session, tiny_model};

const HANDBOOK: [(&str, &str); 3] = [
    ("第12条", "试用期为三个月。表现优秀者可缩短至一个月。"),
    ("第13条", "年假为十天，入职满一年后享受。"),
    ("第14条", "出差每日补贴二百元。"),
];

fn handbook() -> Value {
    HANDBOOK.map(|(id, text)| json!({ "id": id, "text": text })).to_vec().into()
}

fn write(session: &mut Session, input: &str, value: Value) -> Result<Value> {
    let options: ReportOptions = crate::options::from_value(value)?;
    let report = report(session, input, &options, &Cancel::new())?;
    check_envelope(&report);
    Ok(report)
}

fn conclusions(report: &Value) -> &[Value] {
    report["conclusions"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn sources_of_a_text_are_characters_of_its_passages() {
    let model = tiny_model();
    let mut session = session(&model);
    let generate = json!({ "max_tokens": 60 });
    let report = write(&mut session, "试用期多长？", json!({ "passages": handbook(), "generate": generate })).unwrap();
    assert!(!conclusions(&report).is_empty());
    for conclusion in conclusions(&report) {
        assert_eq!(conclusion["grounded"], !conclusion["sources"].as_array().unwrap().is_empty());
        for source in conclusion["sources"].as_array().unwrap() {
            let (_, text) = HANDBOOK.iter().find(|(id, _)| source["passage"] == *id).unwrap();
            let at = |key: &str| source[key].as_u64().unwrap() as usize;
            let cited: String = text.chars().skip(at("start")).take(at("end") - at("start")).collect();
            assert_eq!(source["text"], cited);
            assert!(source["influence"].as_f64().unwrap() > conclusion["noise"].as_f64().unwrap());
        }
    }
    // The same as JSON.
    let input = json!({ "text": "试用期多长？", "passages": handbook() }).to_string();
    assert_eq!(write(&mut session, &input, json!({ "generate": generate })).unwrap(), report);
}

#[test]
fn a_text_alone_is_its_own_source() {
    let model = tiny_model();
    let text = "离职原因是薪酬。经理不知情。家在外地。";
    let options = json!({ "input": "text", "generate": { "max_tokens": 40 } });
    let report = write(&mut session(&model), text, options).unwrap();
    for source in conclusions(&report).iter().flat_map(|conclusion| conclusion["sources"].as_array().unwrap()) {
        assert_eq!(source["passage"], Value::Null);
        assert!(text.contains(source["text"].as_str().unwrap()));
    }
}

#[test]
fn a_document_has_what_was_measured_where_its_schema_has_room() {
    let model = random_model();
    let mut session = session(&model);
    let finding = json!({
        "type": "object", "additionalProperties": false, "required": ["risk", "confidence", "source", "why"],
        "properties": {
            "risk": { "type": "string", "minLength": 1, "maxLength": 12, "x-tailora-kind": "risk" },
            "confidence": { "type": "number", "x-tailora-confidence": true },
            "source": { "type": "string", "x-tailora-enum": "fields" },
            "why": { "type": "array", "x-tailora-sources": true },
        },
    });
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["risks"],
        "properties": { "risks": { "type": "array", "minItems": 1, "maxItems": 3, "items": finding } } });
    for seed in 0..6 {
        let generate = json!({ "temperature": 1.5, "seed": seed, "max_tokens": 160 });
        let options = json!({ "schema": schema, "max_conclusions": 1, "tell_schema": false, "generate": generate });
        let report = write(&mut session, "role:engineer;rating:A/A-", options).unwrap();
        let risks = report["document"]["risks"].as_array().unwrap();
        let said: Vec<&Value> = risks.iter().filter(|risk| !risk["risk"].as_str().unwrap().trim().is_empty()).collect();
        assert_eq!(conclusions(&report).len(), said.len(), "all that the document has places for");
        for (risk, conclusion) in said.iter().zip(conclusions(&report)) {
            assert_eq!(risk["risk"], conclusion["text"]);
            assert_eq!(conclusion["kind"], "risk");
            assert_eq!(risk["confidence"], conclusion["confidence"]);
            assert_eq!(risk["why"], conclusion["sources"]);
            let keys: Vec<&String> = risk.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["risk", "confidence", "source", "why"]);
        }
    }
}

#[test]
fn the_model_is_told_the_schema_before_the_case() {
    let model = tiny_model();
    let mut session = session(&model);
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": { "a": { "enum": ["x"] } } });
    let mut tokens = |tell: bool| {
        let options = json!({ "schema": schema, "tell_schema": tell, "influence": false });
        write(&mut session, "岗位:工程师", options).unwrap()["generation"]["prompt_tokens"].as_u64().unwrap()
    };
    assert!(tokens(true) > tokens(false) + 8);
}

#[test]
fn the_built_in_document_says_something_under_the_name_of_its_kind() {
    let model = random_model();
    let mut session = session(&model);
    for seed in 0..6 {
        let generate = json!({ "temperature": 1.5, "seed": seed, "max_tokens": 300 });
        let options = json!({ "mode": "schema", "max_conclusions": 2, "tell_schema": false, "influence": false, "generate": generate });
        let report = write(&mut session, "role:engineer;rating:A/A-", options).unwrap();
        let items = report["document"]["conclusions"].as_array().unwrap();
        for (item, conclusion) in items.iter().zip(conclusions(&report)) {
            let text = item[conclusion["kind"].as_str().unwrap()].as_str().unwrap();
            assert_eq!(conclusion["text"], text);
            assert!(text.chars().filter(|c| c.is_alphanumeric()).count() >= 4, "{text:?}");
            assert_eq!(item["confidence"], conclusion["confidence"]);
            assert!(["role", "rating"].contains(&item["source"].as_str().unwrap()));
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let model = random_model();
    let mut session = session(&model);
    let mut fails = |input: &str, value: Value| write(&mut session, input, value).unwrap_err().code();
    let passages = json!([{ "id": "a", "text": "b" }]);
    assert_eq!(fails("x:y", json!({ "input": "fields", "passages": passages })), Code::InvalidOptions);
    assert_eq!(fails("q", json!({ "passages": [{ "id": "", "text": "b" }] })), Code::InvalidArgument);
    let names_nothing = json!({ "type": "string", "x-tailora-enum": "passages" });
    assert_eq!(fails("some text", json!({ "input": "text", "schema": names_nothing })), Code::Schema);
}
