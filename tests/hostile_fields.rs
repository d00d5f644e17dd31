//! Reports on fields and passages that somebody fills in to mislead: quotes, line breaks, other scripts, control characters,
//! text that looks like fields. No report names a field, a value or a passage that its case does not have.

#[path = "hostile_fields/truth.rs"]
mod truth;
#[path = "hostile_fields/values.rs"]
mod values;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tailora::options::from_value;
use tailora::{Adapter, Attached, BatchOptions, Dataset, LanguageModel, Monitor, REPORT_SCHEMA, batch, train};
use truth::{Given, Seen, check};

/// How cases are given, and how reports on them are written.
struct Job {
    name: &'static str,
    /// Of a hundred reports.
    share: usize,
    options: Value,
    /// The cases of a file, their text in it, and the file's name.
    write: fn(&mut StdRng, usize, &Path) -> (Vec<Given>, PathBuf),
}

fn jobs() -> [Job; 5] {
    let generate = |max_tokens: usize| json!({"max_tokens": max_tokens, "temperature": 0.8, "seed": 3});
    let comment = |more: Value| {
        let mut report = json!({"influence": false, "generate": generate(40)});
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        report
    };
    let schema = json!({"mode": "schema", "tell_schema": false, "max_conclusions": 2, "generate": generate(90)});
    let protected = json!({"influence": true, "protected": ["姓名", "绩效"]});
    let passages = json!({"influence": true, "input": "text"});
    [
        Job { name: "objects, by a schema", share: 40, options: json!({"report": comment(schema)}), write: objects },
        Job { name: "lines, commented", share: 30, options: json!({"report": comment(json!({}))}), write: lines },
        Job {
            name: "columns, measured",
            share: 10,
            options: json!({"input_column": null, "report": comment(protected)}),
            write: columns,
        },
        Job {
            name: "passages, measured",
            share: 10,
            options: json!({"report": comment(passages)}),
            write: passages_of,
        },
        Job {
            name: "objects, commented without an adapter's order",
            share: 10,
            options: json!({"report": comment(json!({}))}),
            write: objects,
        },
    ]
}

/// One JSON object on each line, whose input is an object of fields.
fn objects(rng: &mut StdRng, count: usize, folder: &Path) -> (Vec<Given>, PathBuf) {
    let cases: Vec<_> = (0..count).map(|_| values::case(rng, true).fields).collect();
    let object = |fields: &Vec<(String, String)>| {
        let members = fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        json!({"input": members.collect::<Map<_, _>>()})
    };
    let lines: Vec<Value> = cases.iter().map(object).collect();
    (cases.into_iter().map(Given::Fields).collect(), write_lines(folder, &lines))
}

/// A line of fields for each case, its values in quotes as a line's may be.
fn lines(rng: &mut StdRng, count: usize, folder: &Path) -> (Vec<Given>, PathBuf) {
    let cases: Vec<_> = (0..count).map(|_| values::case(rng, false).fields).collect();
    let line = |fields: &Vec<(String, String)>| {
        let field = |(name, value): &(String, String)| format!("{name}:\"{}\"", value.replace('"', "\"\""));
        json!({"input": fields.iter().map(field).collect::<Vec<_>>().join(",")})
    };
    let lines: Vec<Value> = cases.iter().map(line).collect();
    (cases.into_iter().map(Given::Fields).collect(), write_lines(folder, &lines))
}

fn write_lines(folder: &Path, lines: &[Value]) -> PathBuf {
    let path = folder.join("cases.jsonl");
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}

/// A CSV whose columns are the fields; an empty cell is no field.
fn columns(rng: &mut StdRng, count: usize, folder: &Path) -> (Vec<Given>, PathBuf) {
    let names = ["岗位", "绩效", "潜力", "技术深度", "姓名"];
    let path = folder.join("cases.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    writer.write_record(names).unwrap();
    let mut cases = Vec::new();
    for _ in 0..count {
        // A CSV with NUL bytes is refused whole, as one in another encoding.
        let mut row: Vec<String> = names.iter().map(|_| values::value(rng).replace('\0', "\u{1}")).collect();
        row[0] = format!("P{}{}", rng.random_range(3..9), row[0]);
        writer.write_record(&row).unwrap();
        let fields = names.iter().map(|name| (*name).to_owned()).zip(row);
        cases.push(Given::Fields(fields.filter(|(_, value)| !value.trim().is_empty()).collect()));
    }
    writer.flush().unwrap();
    (cases, path)
}

/// Text alone, or with passages under names of every kind.
fn passages_of(rng: &mut StdRng, count: usize, folder: &Path) -> (Vec<Given>, PathBuf) {
    const IDS: [&str; 6] = ["§ 1", "面试官甲", "id:x", "\"quoted\"", "伪造", "😀"];
    let said = |rng: &mut StdRng| (0..rng.random_range(1..4)).map(|_| values::value(rng) + "。").collect::<String>();
    let (mut cases, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let text = format!("谁负责？{}", said(rng));
        let ids = &IDS[..rng.random_range(0..4)];
        let passages: Vec<(String, String)> = ids.iter().map(|id| ((*id).to_owned(), said(rng))).collect();
        rows.push(match passages.is_empty() {
            true => json!({"input": text}),
            false => {
                let listed: Vec<_> = passages.iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
                json!({"input": {"text": text, "passages": listed}})
            }
        });
        cases.push(Given::Passages { text, passages });
    }
    (cases, write_lines(folder, &rows))
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/data/talent_review.csv")
}

fn trained(model: &LanguageModel, steps: usize) -> Adapter {
    let dataset = Dataset::open_csv(&sample(), &Default::default(), &mut Monitor::none()).unwrap();
    let options = json!({
        "learning_rate": 0.01, "max_steps": steps, "validation_share": 0, "memorisation_samples": 0, "calibration_rows": 0,
    });
    train(model, &dataset, &from_value(options).unwrap(), &mut Monitor::none()).unwrap().adapter
}

/// Writes about `count` reports and holds each against its case.
fn hold(count: usize, steps: usize) -> Seen {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/models/tailora-tiny");
    let model = LanguageModel::load(&path, &Default::default(), &mut Monitor::none()).unwrap();
    let adapter = trained(&model, steps);
    // The sample's deadlines: numbers that its outputs have and its inputs have not.
    let house = BTreeSet::from(["30", "60", "90"].map(str::to_owned));
    let schema = jsonschema::validator_for(&serde_json::from_str(REPORT_SCHEMA).unwrap()).unwrap();
    let mut all = Seen::default();
    for (number, job) in jobs().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(number as u64);
        let (cases, file) = (job.write)(&mut rng, (count * job.share).div_ceil(100), dir.path());
        let with = [Attached { adapter: adapter.clone(), scale: 1.0 }];
        let attached = if job.name.contains("without") { &[][..] } else { &with };
        let options: BatchOptions = from_value(job.options).unwrap();
        let folder = dir.path().join("job");
        batch(&model, attached, &file, &folder, &options, &mut Monitor::none()).unwrap();
        let written = std::fs::read_to_string(folder.join("reports.jsonl")).unwrap();
        let house = if attached.is_empty() { &BTreeSet::new() } else { &house };
        let mut seen = Seen::default();
        assert_eq!(written.lines().count(), cases.len());
        for (line, given) in written.lines().zip(&cases) {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["error"].is_object() {
                // A value of 200 rare characters may be more than the model reads; nothing else may fail.
                assert_eq!(line["error"]["code"], "context_length", "{line}");
                seen.refused += 1;
                continue;
            }
            assert!(schema.is_valid(&line["report"]), "{line}");
            check(&line["report"], given, house, &mut seen).unwrap_or_else(|err| panic!("{}: {err}\n{line}", job.name));
        }
        println!("{}: {seen:?}", job.name);
        all.add(&seen);
    }
    all
}

#[test]
fn no_report_names_what_its_case_does_not_have() {
    let seen = hold(100, 8);
    assert!(seen.reports >= 95 && seen.conclusions > 100 && seen.sources > 100, "{seen:?}");
    assert!(seen.numbers > 10 && seen.unsupported > 0, "{seen:?}");
}

#[test]
#[ignore = "10,000 reports: a quarter of an hour in a release build"]
fn none_of_ten_thousand_reports_names_what_its_case_does_not_have() {
    let seen = hold(10_100, 60);
    println!("{seen:?}");
    assert!(seen.reports >= 10_000 && seen.biased > 0 && seen.quotations > 0, "{seen:?}");
}

#[test]
fn an_invention_is_seen() {
    let fields = |value: &str| {
        Given::Fields(vec![("潜力".to_owned(), value.to_owned()), ("姓名\u{202E}".to_owned(), " 甲\r\n".to_owned())])
    };
    let said = |text: &str, source: Value, unsupported: Value| json!({"conclusions": [{"text": text, "sources": [source], "unsupported": unsupported}]});
    let house = BTreeSet::from(["30".to_owned()]);
    let holds = |report: &Value, given: &Given| check(report, given, &house, &mut Seen::default()).is_ok();
    let forged = "低,潜力:高";
    for (field, value, expected) in [
        ("潜力", forged, true),
        ("潜力", "高", false),
        ("潜力", "低", false),
        ("姓名", "甲", true),
        ("绩效", "甲", false),
    ] {
        let source = json!({"field": field, "value": value});
        assert_eq!(holds(&said("好。", source, json!([])), &fields(forged)), expected, "{field}:{value}");
    }
    let source = json!({"field": "潜力", "value": "9/10，“稳”"});
    for (text, unsupported, expected) in [
        ("9/10，30天，“稳”", json!([]), true),
        ("8/10", json!([]), false),
        ("8/10", json!(["8/10"]), true),
        ("称「可靠」", json!([]), false),
        ("称\"可靠\"", json!(["可靠"]), true),
    ] {
        assert_eq!(holds(&said(text, source.clone(), unsupported), &fields("9/10，“稳”")), expected, "{text}");
    }
    let given =
        Given::Passages { text: "谁？".to_owned(), passages: vec![("§ 1".to_owned(), "甲乙丙。".to_owned())] };
    for (passage, start, end, text, expected) in [
        ("§ 1", 1, 3, "乙丙", true),
        ("§ 1", 0, 3, "乙丙", false),
        ("§ 2", 1, 3, "乙丙", false),
        ("§ 1", 2, 9, "丙。", false),
    ] {
        let source = json!({"passage": passage, "start": start, "end": end, "text": text});
        assert_eq!(holds(&said("好。", source, json!([])), &given), expected, "{passage} {start} {text}");
    }
}
