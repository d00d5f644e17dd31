//! The talent review of a company: 800 employees, the bundled base with an adapter of the sample's rows.

mod batch_jobs;

use batch_jobs::{FOLDER, kill_until_done};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tailora::options::from_value;
use tailora::{
    Attached, BatchOptions, BatchSummary, Dataset, LanguageModel, Monitor, REPORT_SCHEMA, TrainOptions, batch, train,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model() -> LanguageModel {
    let path = root().join("samples/models/tailora-tiny");
    LanguageModel::load(&path, &Default::default(), &mut Monitor::none()).unwrap()
}

fn employees() -> String {
    let jobs = ["P7高级架构师", "P6前端工程师", "P6供应链经理", "P8数据专家", "P5财务分析师", "P8市场总监"];
    let ratings = ["A/A-", "B+/B", "C/B", "B/B+", "A+/A"];
    let potentials = ["高", "中", "低"];
    let row = |index: usize| {
        let (depth, teamwork) = (1 + (index * 7) % 10, 1 + (index * 3) % 10);
        format!(
            "E{index:04},\"岗位:{},绩效:{},潜力:{},技术深度:{depth}/10,跨团队协作:{teamwork}/10\"\n",
            jobs[index % 6],
            ratings[(index / 6) % 5],
            potentials[(index / 30) % 3],
        )
    };
    format!("工号,input\n{}", (0..800).map(row).collect::<String>())
}

fn options() -> BatchOptions {
    from_value(json!({"id_column": "工号", "report": {"generate": {"seed": 7, "temperature": 0.7}}})).unwrap()
}

fn run(folder: &Path, job: &str) -> BatchSummary {
    let model = model();
    let adapter = model.load_adapter(&folder.join("adapter"), &Default::default()).unwrap();
    let adapters = [Attached { adapter, scale: 1.0 }];
    let (cases, job) = (folder.join("cases.csv"), folder.join(job));
    batch(&model, &adapters, &cases, &job, &options(), &mut Monitor::none()).unwrap()
}

#[test]
#[ignore = "minutes: trains, and writes 1,600 reports"]
fn eight_hundred_reports_survive_twenty_kills() {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        run(&folder, "job");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    std::fs::write(folder.join("cases.csv"), employees()).unwrap();
    let csv = root().join("samples/data/talent_review.csv");
    let dataset = Dataset::open_csv(&csv, &Default::default(), &mut Monitor::none()).unwrap();
    let options = TrainOptions { learning_rate: 0.01, memorisation_samples: 0, ..Default::default() };
    let trained = train(&model(), &dataset, &options, &mut Monitor::none()).unwrap();
    trained.adapter.save(&folder.join("adapter")).unwrap();

    let summary = run(folder, "whole");
    println!("unbroken: {:.0} reports a minute", summary.rows_per_minute);
    assert_eq!((summary.rows, summary.reports, summary.failed), (800, 800, 0));
    let test = "eight_hundred_reports_survive_twenty_kills";
    // So that the kills fall into the first three quarters of the work.
    let pause = Duration::from_secs_f64(summary.seconds * 0.75 / 20.0 * 2.0);
    assert_eq!(kill_until_done(test, folder, 20, pause), 20);
    let read = |job: &str| std::fs::read_to_string(folder.join(job).join("reports.jsonl")).unwrap();
    let (broken, whole) = (read("job"), read("whole"));
    let schema = jsonschema::validator_for(&serde_json::from_str(REPORT_SCHEMA).unwrap()).unwrap();
    let lines: Vec<Value> = broken.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 800);
    assert!(lines.iter().enumerate().all(|(at, line)| line["row"] == at + 1 && schema.is_valid(&line["report"])));
    assert!(broken == whole, "the broken run wrote other reports");
}
