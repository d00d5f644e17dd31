//! A batch is one job whatever interrupts it: the same reports, each once, in the order of the rows.

mod batch_jobs;

use batch_jobs::{FOLDER, kill_until_done};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tailora::options::from_value;
use tailora::{
    BatchOptions, BatchSummary, Cancel, Code, Control, LanguageModel, Monitor, Phase, Progress, REPORT_SCHEMA, Result,
    batch, merge_shards,
};

fn small_model() -> LanguageModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    LanguageModel::load(&path, &from_value(json!({"threads": 2})).unwrap(), &mut Monitor::none()).unwrap()
}

/// Twenty employees; two rows are bad.
fn csv() -> String {
    let row = |index: usize| match index {
        4 => "E4,no field at all\n".to_owned(),
        9 => "E9,\"level:P9\",too many\n".to_owned(),
        index => format!("E{index},\"level:P{},grade:{}\"\n", index % 4, ["A", "B", "C"][index % 3]),
    };
    format!("id,input\n{}", (0..20).map(row).collect::<String>())
}

fn options(more: Value) -> BatchOptions {
    let mut options = json!({
        "id_column": "id",
        "report": {"influence": false, "generate": {"max_tokens": 12, "temperature": 1.0, "seed": 5}},
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    from_value(options).unwrap()
}

struct Job {
    dir: tempfile::TempDir,
    model: LanguageModel,
}

impl Job {
    fn new() -> Self {
        let job = Job { dir: tempfile::tempdir().unwrap(), model: small_model() };
        std::fs::write(job.at("cases.csv"), csv()).unwrap();
        job
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, folder: &str, more: Value) -> Result<BatchSummary> {
        self.run_on("cases.csv", folder, more, &mut Monitor::none())
    }

    fn run_on(&self, input: &str, folder: &str, more: Value, monitor: &mut Monitor<'_>) -> Result<BatchSummary> {
        batch(&self.model, &[], &self.at(input), &self.at(folder), &options(more), monitor)
    }

    fn reports(&self, folder: &str) -> String {
        std::fs::read_to_string(self.at(folder).join("reports.jsonl")).unwrap()
    }
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is said of each id, wherever it stands in the file.
fn by_id(text: &str) -> BTreeMap<String, Value> {
    let said = |line: Value| (line["id"].as_str().unwrap_or_default().to_owned(), line["report"].clone());
    lines(text).into_iter().map(said).collect()
}

#[test]
fn a_bad_row_fails_alone_and_how_the_work_is_parted_changes_nothing() {
    let job = Job::new();
    let summary = job.run("one", json!({"parallel": 1})).unwrap();
    assert_eq!((summary.rows, summary.reports, summary.failed, summary.resumed), (20, 18, 2, 0));
    let one = job.reports("one");
    let schema = jsonschema::validator_for(&serde_json::from_str(REPORT_SCHEMA).unwrap()).unwrap();
    for (index, line) in lines(&one).iter().enumerate() {
        assert_eq!((&line["row"], &line["line"]), (&json!(index + 1), &json!(index + 2)));
        match index {
            4 | 9 => assert!(line["error"]["message"].is_string() && line.get("report").is_none(), "{line}"),
            _ => assert!(schema.is_valid(&line["report"]) && line["id"] == format!("E{index}"), "{line}"),
        }
    }
    let seeds: Vec<u64> = lines(&one).iter().filter_map(|line| line["report"]["generation"]["seed"].as_u64()).collect();
    assert_eq!(seeds.iter().collect::<std::collections::BTreeSet<_>>().len(), 18);

    job.run("five", json!({"parallel": 5})).unwrap();
    assert_eq!(job.reports("five"), one);
    // Any order of the rows.
    let mut rows: Vec<String> = csv().lines().map(str::to_owned).collect();
    rows[1..].reverse();
    std::fs::write(job.at("reversed.csv"), rows.join("\n")).unwrap();
    job.run_on("reversed.csv", "reversed", json!({}), &mut Monitor::none()).unwrap();
    assert_eq!(by_id(&job.reports("reversed")), by_id(&one));
    // Any form of the file.
    let jsonl = |line: &str| match line.split_once(',') {
        Some((id, input)) => format!("{}\n", json!({"id": id, "input": input.trim_matches('"')})),
        None => panic!("{line}"),
    };
    std::fs::write(job.at("cases.jsonl"), csv().lines().skip(1).map(jsonl).collect::<String>()).unwrap();
    job.run_on("cases.jsonl", "jsonl", json!({}), &mut Monitor::none()).unwrap();
    let (from_jsonl, from_csv) = (by_id(&job.reports("jsonl")), by_id(&one));
    assert!(from_csv.iter().filter(|(id, _)| !id.is_empty()).all(|(id, report)| from_jsonl[id] == *report));

    let shards: Vec<PathBuf> = (0..3).map(|index| job.at(&format!("shard-{index}"))).collect();
    let shard = |index: usize| job.run(&format!("shard-{index}"), json!({"shard": {"index": index, "count": 3}}));
    assert_eq!([0, 1, 2].map(|index| shard(index).unwrap().rows), [7, 7, 6]);
    let merged = merge_shards(&[&shards[2..], &shards[..2]].concat(), &job.at("merged.jsonl")).unwrap();
    assert_eq!((merged.rows, merged.reports, merged.failed), (20, 18, 2));
    assert_eq!(std::fs::read_to_string(job.at("merged.jsonl")).unwrap(), one);
}

#[test]
fn a_merge_is_of_whole_shards_of_one_job() {
    let job = Job::new();
    let shard = |folder: &str, index: usize, count: usize| {
        job.run(folder, json!({"shard": {"index": index, "count": count}})).unwrap();
        job.at(folder)
    };
    let (zero, one) = (shard("zero", 0, 2), shard("one", 1, 2));
    let refused = |folders: &[&PathBuf], words: &str| {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| (*folder).clone()).collect();
        let err = merge_shards(&folders, &job.at("merged.jsonl")).unwrap_err();
        assert!(err.message().contains(words), "{err}");
        assert!(!job.at("merged.jsonl").exists());
        err.code()
    };
    assert_eq!(refused(&[], "no shards"), Code::InvalidArgument);
    assert_eq!(refused(&[&zero], "[1] are missing"), Code::InvalidArgument);
    assert_eq!(refused(&[&zero, &one, &zero], "expected each once"), Code::InvalidArgument);
    assert_eq!(refused(&[&zero, &job.at("none")], "is not the folder of a shard"), Code::InvalidArgument);
    assert_eq!(refused(&[&zero, &shard("three", 1, 3)], "is one of 3 shards"), Code::InvalidArgument);
    let other =
        json!({"shard": {"index": 1, "count": 2}, "report": {"influence": false, "generate": {"max_tokens": 9}}});
    job.run("other", other).unwrap();
    assert_eq!(refused(&[&zero, &job.at("other")], "the option `report`"), Code::InvalidArgument);
    let path = one.join("reports.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    let short: String = whole.lines().take(9).map(|line| format!("{line}\n")).collect();
    for (text, words) in [
        (&*short, "ends before row 20 of 20"),
        (&whole[..whole.len() - 1], "line 10 has no end"),
        (&format!("{short}{short}"), "line 10 is of row 2; expected row 20"),
        (&format!("{whole}{whole}"), "line 11 comes after the last row"),
        (&whole.replace("\"row\":20", "\"number\":20"), "line 10 is no line of a batch"),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(refused(&[&zero, &one], words), Code::Io);
    }
    std::fs::write(&path, &whole).unwrap();
    merge_shards(&[zero.clone(), one.clone()], &job.at("merged.jsonl")).unwrap();
    let err = merge_shards(&[zero, one], &job.at("merged.jsonl")).unwrap_err();
    assert!(err.message().contains("is there already"), "{err}");
}

#[test]
fn a_host_may_stop_it_and_go_on() {
    let job = Job::new();
    job.run("whole", json!({})).unwrap();
    let mut calls = 0;
    loop {
        calls += 1;
        let mut last: Option<Progress> = None;
        let mut watch = |event: &Progress| {
            assert_eq!((event.phase, event.total_steps), (Phase::Report, 20));
            assert!(event.eta.is_some() && last.as_ref().is_none_or(|last| last.step < event.step));
            last = Some(event.clone());
            Control::Stop
        };
        let monitor = &mut Monitor::new(&Cancel::new(), Some(&mut watch));
        match job.run_on("cases.csv", "stopped", json!({"parallel": 2}), monitor) {
            Err(err) => {
                assert_eq!(err.code(), Code::Cancelled);
                assert_eq!(err.details()["done"].as_u64(), Some(last.unwrap().step), "{err}");
            }
            Ok(summary) => {
                assert_eq!((summary.reports, summary.failed), (18, 2));
                break;
            }
        }
        assert!(calls < 30);
    }
    assert!(calls > 2, "{calls}");
    assert_eq!(job.reports("stopped"), job.reports("whole"));
    let again = job.run("stopped", json!({})).unwrap();
    assert_eq!((again.resumed, again.reports), (20, 18), "a finished job is left as it is");
    // Cancelled before it begins.
    let cancel = Cancel::new();
    cancel.request();
    let err = job.run_on("cases.csv", "never", json!({}), &mut Monitor::new(&cancel, None)).unwrap_err();
    assert_eq!(err.code(), Code::Cancelled);
}

#[test]
fn half_a_line_is_written_again_and_a_foreign_one_is_refused() {
    let job = Job::new();
    job.run("whole", json!({})).unwrap();
    let whole = job.reports("whole");
    let path = job.at("whole").join("reports.jsonl");
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        let cut = (0..=cut).rev().find(|&at| whole.is_char_boundary(at)).unwrap();
        std::fs::write(&path, &whole[..cut]).unwrap();
        let summary = job.run("whole", json!({"parallel": 3})).unwrap();
        assert_eq!((summary.reports, summary.resumed), (18, whole[..cut].matches('\n').count()));
        assert_eq!(job.reports("whole"), whole);
    }
    let second = whole.split_inclusive('\n').nth(1).unwrap();
    for (text, words) in [(second, "line 1 is of row 2; expected row 1"), ("{}\n", "is no line of a batch")] {
        std::fs::write(&path, text).unwrap();
        let err = job.run("whole", json!({})).unwrap_err();
        assert!(err.code() == Code::Io && err.message().contains(words), "{err}");
        assert_eq!(job.reports("whole"), text);
    }
}

#[test]
fn a_folder_is_that_of_one_job() {
    let job = Job::new();
    job.run("job", json!({})).unwrap();
    let refused = |more: Value, words: &[&str]| {
        let err = job.run("job", more).unwrap_err();
        assert_eq!(err.code(), Code::Io, "{err}");
        assert!(words.iter().all(|word| err.message().contains(word)), "{err}");
        ["found", "expected"].map(|key| err.details().get(key).cloned().unwrap_or_default())
    };
    refused(json!({"report": {"max_conclusions": 3}}), &["the option `report`"]);
    refused(json!({"id_column": null}), &["the option `id_column`", "null"]);
    refused(json!({"shard": {"index": 0, "count": 2}}), &["shard"]);
    let whole = job.reports("job");
    std::fs::write(job.at("cases.csv"), csv() + "E99,level:P1\n").unwrap();
    let [found, expected] = refused(json!({}), &["the input's sha256"]);
    assert!(found.as_str().unwrap().len() == 64 && expected.as_str().unwrap().len() == 64 && found != expected);
    std::fs::write(job.at("cases.csv"), csv()).unwrap();
    assert_eq!(job.reports("job"), whole);

    std::fs::create_dir(job.at("mine")).unwrap();
    std::fs::write(job.at("mine/letter.txt"), "mine").unwrap();
    let err = job.run("mine", json!({})).unwrap_err();
    assert!(err.message().contains("letter.txt"), "{err}");
    assert_eq!(std::fs::read_dir(job.at("mine")).unwrap().count(), 1);

    // Another call while one is at work.
    let mut busy = None;
    let mut watch = |_: &Progress| {
        busy.get_or_insert_with(|| job.run("busy", json!({})).unwrap_err().code());
        Control::Continue
    };
    job.run_on("cases.csv", "busy", json!({}), &mut Monitor::new(&Cancel::new(), Some(&mut watch))).unwrap();
    assert_eq!(busy, Some(Code::Busy));
    std::fs::write(job.at("empty.csv"), "id,input\n").unwrap();
    assert_eq!(job.run_on("empty.csv", "empty", json!({}), &mut Monitor::none()).unwrap_err().code(), Code::CsvFormat);
}

#[test]
fn a_job_that_is_killed_goes_on_where_it_was() {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let (cases, job, options) = (folder.join("cases.csv"), folder.join("job"), options(json!({"parallel": 2})));
        batch(&small_model(), &[], &cases, &job, &options, &mut Monitor::none()).unwrap();
        return;
    }
    let job = Job::new();
    let test = "a_job_that_is_killed_goes_on_where_it_was";
    let kills = kill_until_done(test, job.dir.path(), 4, Duration::from_millis(30));
    job.run("whole", json!({})).unwrap();
    assert_eq!(job.reports("job"), job.reports("whole"));
    assert!(kills > 0);
}
