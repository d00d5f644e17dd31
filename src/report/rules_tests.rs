//! House rules: which are refused, what breaks them, and that reports keep to them.

use super::claims::Written;
use super::rules::RulesOptions;
use super::tests::{CASE, check_envelope, write};
use super::*;
use crate::fields::Fields;
use crate::files::read_text;
use crate::generate::test_support::{random_model, session, tiny_model};
use std::path::Path;

fn rules(value: Value) -> RulesOptions {
    serde_json::from_value(value).unwrap()
}

fn comment(text: &str) -> Written {
    Written { text: text.to_owned(), claims: Vec::new(), document: None }
}

fn violations(rules: &RulesOptions, case: &str, written: &Written) -> Value {
    json!(rules.violations(&Fields::parse(case).unwrap(), &written.texts()).unwrap())
}

#[test]
fn what_is_missing_is_a_violation_where_the_condition_holds() {
    let rules = rules(json!({
        "banned": [{ "phrase": "有待提升" }],
        "required": [
            { "when": { "field": "潜力", "equals": "高" }, "mention": ["继任者计划", "面谈"] },
            { "when": { "field": "岗位", "contains": "架构" }, "mention": ["技术委员会"] },
            { "when": { "field": "年龄", "equals": "高" }, "mention": ["x"] },
            { "mention": ["建议"] },
        ],
    }));
    rules.check(&[]).unwrap();
    let written = comment("沟通有待提升，应纳入继任者计划。");
    assert_eq!(
        violations(&rules, "岗位:P7高级架构师,潜力:高", &written),
        json!([
            { "rule": "banned", "phrases": ["有待提升"], "field": null },
            { "rule": "required", "phrases": ["面谈"], "field": "潜力" },
            { "rule": "required", "phrases": ["技术委员会"], "field": "岗位" },
            { "rule": "required", "phrases": ["建议"], "field": null },
        ])
    );
    assert_eq!(violations(&rules, "岗位:P7工程师,潜力:中", &comment("建议")), json!([]));
}

#[test]
fn of_a_document_its_strings_count() {
    let rules = rules(json!({ "banned": [{ "phrase": "weak" }], "required": [{ "mention": ["plan"] }] }));
    let document = |value: Value| Written { text: value.to_string(), claims: Vec::new(), document: Some(value) };
    let kept = document(json!({ "weak": [{ "a": "the plan" }, 3, null] }));
    assert_eq!(violations(&rules, "a:b", &kept), json!([]));
    let broken = document(json!({ "plan": ["x", { "a": "A Weak case" }] }));
    let names = |value: &Value| value.as_array().unwrap().iter().map(|v| v["rule"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&violations(&rules, "a:b", &broken)), ["banned", "required"]);
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let banned = json!([{ "phrase": "x" }]);
    for (value, words) in [
        (json!({ "banned": [{ "phrase": "" }] }), "1 to 200"),
        (json!({ "banned": [{ "phrase": "a", "instead": "fine" }, { "phrase": "fin" }] }), "not banned themselves"),
        (json!({ "banned": [{ "phrase": "a", "instead": "bye" }] }), "not banned themselves"),
        (json!({ "required": [{ "mention": [] }] }), "mention"),
        (json!({ "required": [{ "when": { "field": "a" }, "mention": ["x"] }] }), "neither of"),
        (json!({ "required": [{ "when": { "field": "a", "contains": "" }, "mention": ["x"] }] }), "empty value"),
        (
            json!({ "required": [{ "when": { "field": "a", "equals": "b", "contains": "b" }, "mention": ["x"] }] }),
            "both of",
        ),
        (json!({ "banned": banned, "required": [{ "mention": ["X1"] }] }), "not banned"),
        (json!({ "banned": banned, "required": [{ "mention": ["a"], "write": "a x." }] }), "not banned"),
        (json!({ "required": [{ "mention": ["a", "b"], "write": "An a." }] }), "a sentence with `b`"),
        (json!({ "required": [{ "mention": ["a"], "write": "a\nb" }] }), "one line"),
        (json!({ "required": [{ "mention": ["a"], "write": "a".repeat(501) }] }), "at most 500"),
    ] {
        let bye = rules(json!({ "banned": [{ "phrase": "bye" }] })).banned;
        let err = rules(value.clone()).check(&bye).unwrap_err();
        assert!(err.message().contains(words), "{value}: {err}");
    }
}

#[test]
fn reports_keep_to_the_rules_and_say_where_they_do_not() {
    let model = tiny_model();
    let mut session = session(&model);
    let free = write(&mut session, CASE, json!({ "influence": false, "generate": { "max_tokens": 60 } }));
    assert!(free.get("rules").is_none(), "no rules, no violations");
    let said = free["report"].as_str().unwrap();
    let phrase: String = said.chars().skip(6).take(3).collect();
    let asked = json!({
        "rules": {
            "banned": [{ "phrase": phrase, "instead": "另有安排" }],
            "required": [{ "when": { "field": "潜力", "equals": "高" }, "mention": ["zzz"] }],
        },
        "generate": { "max_tokens": 60 },
    });
    let report = write(&mut session, CASE, asked.clone());
    check_envelope(&report);
    let text = report["report"].as_str().unwrap();
    assert!(text.contains("另有安排") && !text.contains(&phrase), "{text}");
    assert_eq!(report["rules"]["violations"], json!([]));
    assert_eq!(report["rules"]["written"], json!([{ "phrases": ["zzz"], "field": "潜力", "text": "zzz." }]));
    let other = write(&mut session, &CASE.replace("潜力:高", "潜力:中"), asked);
    assert_eq!(other["rules"], json!({ "written": [], "violations": [] }));
    // Rules that nothing breaks leave the report as it is.
    let kept =
        json!({ "rules": { "banned": [{ "phrase": "zzz" }] }, "influence": false, "generate": { "max_tokens": 60 } });
    let mut kept = write(&mut session, CASE, kept);
    kept.as_object_mut().unwrap().remove("rules");
    assert_eq!(kept, free);
}

#[test]
fn what_is_required_and_missing_is_written_behind_the_text() {
    let model = tiny_model();
    let mut session = session(&model);
    let asked = |rules: Value, max_tokens: usize| json!({ "rules": { "required": rules }, "generate": { "max_tokens": max_tokens } });
    let free = write(&mut session, CASE, json!({ "generate": { "max_tokens": 200 } }));
    assert_eq!(free["generation"]["finish_reason"], "stop");
    let high = json!({ "field": "潜力", "equals": "高" });
    let rule = json!([
        { "when": high, "mention": ["继任者", "zzz"], "write": "纳入继任者计划zzz。" },
        { "mention": ["yyy"] },
    ]);
    let report = write(&mut session, CASE, asked(rule.clone(), 200));
    let text = report["report"].as_str().unwrap();
    assert_eq!(text, format!("{}纳入继任者计划zzz。yyy.", free["report"].as_str().unwrap()));
    assert_eq!(report["rules"]["violations"], json!([]));
    assert_eq!(report["rules"]["written"][0]["field"], "潜力");
    // Each is a conclusion of its own, and the others are what they were.
    let [all, before] = [&report, &free].map(|report| report["conclusions"].as_array().unwrap());
    let (model_said, by_rules) = all.split_at(before.len());
    assert_eq!(model_said, before);
    let by_rules: Vec<Value> =
        by_rules.iter().map(|one| json!([one["text"], one["confidence_kind"], one["confidence"]])).collect();
    assert_eq!(json!(by_rules), json!([["纳入继任者计划zzz。", "rule", 1.0], ["yyy.", "rule", 1.0]]));
    assert_eq!(all[before.len()]["sources"], json!([{ "field": "潜力", "value": "高", "influence": null }]));
    assert_eq!(all[before.len() + 1]["sources"], json!([]));
    // Nothing is written where the rule does not hold, where it says so, or where a text was cut.
    let other = write(&mut session, &CASE.replace("潜力:高", "潜力:低"), asked(json!([rule[0]]), 200));
    assert_eq!(other["rules"], json!({ "written": [], "violations": [] }));
    let only_told = json!([{ "mention": ["yyy"], "write": "" }]);
    for (rules, max_tokens, report_is) in [(only_told, 200, "stop"), (json!([rule[1]]), 3, "length")] {
        let report = write(&mut session, CASE, asked(rules, max_tokens));
        assert_eq!(report["generation"]["finish_reason"], report_is);
        let violations = json!([{ "rule": "required", "phrases": ["yyy"], "field": null }]);
        assert_eq!(report["rules"], json!({ "written": [], "violations": violations }));
    }
}

#[test]
fn in_a_document_it_is_written_where_the_schema_lets_it_stand() {
    let model = random_model();
    let mut session = session(&model);
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let schema = |second: usize| {
        json!({
            "type": "object", "additionalProperties": false, "required": ["grade", "first", "second"],
            "properties": { "grade": { "enum": ["a", "b"] }, "first": text(300), "second": text(second) },
        })
    };
    let required = json!([{ "when": { "field": "potential", "equals": "high" }, "mention": ["succession"], "write": "succession plan." }]);
    for seed in 0..8 {
        for (second, place) in [(300, Some("second")), (12, Some("first")), (0, None)] {
            let schema = if second > 0 { schema(second) } else { json!({ "enum": [{ "a": "b" }, { "a": "c" }] }) };
            let asked = json!({
                "schema": schema, "influence": seed == 0, "rules": { "required": required },
                "generate": { "temperature": 1.5, "seed": seed, "max_tokens": 120 },
            });
            let report = write(&mut session, "role:staff,potential:high", asked);
            let document = &report["document"];
            assert!(jsonschema::validator_for(&schema).unwrap().is_valid(document), "{document}");
            let Some(place) = place else {
                assert_eq!(report["rules"]["violations"][0]["phrases"], json!(["succession"]));
                continue;
            };
            let said = document[place].as_str().unwrap();
            assert!(said.ends_with("succession plan."), "{report}");
            assert_eq!(report["rules"]["violations"], json!([]), "{report}");
            assert_eq!(report["rules"]["written"].as_array().unwrap().len(), 1);
            let texts: Vec<&str> =
                report["conclusions"].as_array().unwrap().iter().filter_map(|one| one["text"].as_str()).collect();
            assert_eq!(texts, ["first", "second"].map(|key| document[key].as_str().unwrap()));
            assert_eq!(report["report"], document.to_string());
        }
    }
}

#[test]
fn documents_keep_to_them_too() {
    let model = random_model();
    let mut session = session(&model);
    for seed in 0..12 {
        let asked = json!({
            "mode": "schema", "max_conclusions": 2, "influence": false, "tell_schema": false,
            "rules": { "banned": [{ "phrase": "u", "instead": "o" }, { "phrase": "\"" }] },
            "generate": { "temperature": 1.5, "seed": seed, "max_tokens": 330 },
        });
        let report = write(&mut session, "role:staff,potential:high", asked);
        assert_eq!(report["rules"]["violations"], json!([]), "{report}");
    }
}

#[test]
fn the_samples_of_the_packs_keep_to_their_rules() {
    for name in pack_names() {
        let options: ReportOptions = crate::options::from_value(json!({ "pack": name })).unwrap();
        assert!(!options.rules.is_empty(), "{name}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs").join(format!("{name}.csv"));
        let mut rows = csv::Reader::from_reader(std::io::Cursor::new(read_text(&path, 1 << 20).unwrap()));
        for row in rows.records().map(|row| row.unwrap()) {
            let fields =
                if options.input == Some(InputKind::Fields) { Fields::parse(&row[0]).unwrap() } else { Fields::none() };
            let document = options.schema.is_some().then(|| serde_json::from_str(&row[1]).unwrap());
            let written = Written { text: row[1].to_owned(), claims: Vec::new(), document };
            let broken = options.rules.violations(&fields, &written.texts()).unwrap();
            assert!(broken.is_empty(), "{name}: {broken:?}\n{}", &row[1]);
        }
    }
}
