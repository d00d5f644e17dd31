//! `samples/cli`: the command builds without a warning, does each job on the samples, says what is wrong with what it is
//! given, keeps what is done when it is interrupted, and the page for analysts is true.
#![cfg(unix)]

mod native;
#[path = "cpp_cli/page.rs"]
mod page;
#[path = "cpp_cli/tool.rs"]
mod tool;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tool::{done, run, workplace};

const MODEL: &str = "samples/models/tailora-tiny";
const ROWS: &str = "samples/data/talent_review.csv";
const CONFIG: &str = "samples/cli/hr_report.yaml";
const CASE: &str = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";
/// A report that is quickly written.
const SHORT: [&str; 4] = ["--set", "generate.max_tokens=12", "--set", "influence=false"];

/// A folder with the adapter `adapter`, trained for a few steps, and what training printed.
fn trained() -> (&'static Path, &'static tool::Run) {
    static TRAINED: OnceLock<(PathBuf, tool::Run)> = OnceLock::new();
    let (home, run) = TRAINED.get_or_init(|| {
        let home = workplace("trained");
        let few = ["--set", "max_steps=3", "--set", "calibration_rows=2", "--set", "memorisation_samples=0"];
        let words = [&["train", ROWS, "--model", MODEL, "--config", CONFIG, "--save", "adapter"], &few[..]].concat();
        let run = done(&home, &words);
        (home, run)
    });
    (home, run)
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn column(help: &str, title: &str) -> Vec<String> {
    let rows = help.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty());
    rows.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_help_fits_a_screen() {
    if tool::path().is_none() {
        return;
    }
    let home = workplace("help");
    let mut open = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(command) = open.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = done(&home, &words).out;
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(help.lines().count() <= 24 && widest <= 80, "{command:?}: {widest} columns\n{help}");
        open.extend(column(&help, "Subcommands:").into_iter().map(|name| [&command[..], &[name]].concat()));
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} commands were found");
    contains(&done(&home, &["--version"]).out, &[env!("CARGO_PKG_VERSION")]);
    contains(&done(&home, &["options", "train"]).out, &["learning_rate: 0.0002", "output_dir: null"]);
    assert!(done(&home, &["options", "docx", "--json"]).json().pointer("/properties/template").is_some());
}

#[test]
fn training_from_the_yaml_file() {
    if tool::path().is_none() {
        return;
    }
    let (home, run) = trained();
    contains(&run.out, &["completed after 3 steps on 54 rows", "Loss ", "hr_report-", "Saved as      adapter\n"]);
    // Progress is in plain lines where no terminal is.
    contains(&run.err, &["loading the model  50/50", "reading rows", "training  3/3", "ETA ", "loss ", "saving"]);
    assert!(!run.err.contains(['\r', '\x1b']) && home.join("runs/hr_report/summary.html").is_file());
    let words =
        ["train", ROWS, "--model", MODEL, "--set", "max_steps=1", "--set", "calibration_rows=0", "--save", "adapter"];
    let refused = tool::run(home, &words);
    assert_eq!(refused.status, 3);
    contains(&refused.err, &["adapter: is there already", "--overwrite"]);
    // What a flag says stands over the file: nothing but JSON on one stream, nothing at all on the other.
    let quiet = [&words[..8], &["--out", "run", "--config", CONFIG, "--json", "--quiet"]].concat();
    let run = done(home, &quiet);
    assert_eq!((run.json()["steps"].as_u64(), run.err.as_str()), (Some(1), ""));
    assert!(run.json()["adapter_path"].as_str().unwrap().contains("/run/adapters/hr_report-"));
}

#[test]
fn a_report_an_evaluation_and_a_doctor() {
    if tool::path().is_none() {
        return;
    }
    let (home, _) = trained();
    let on_adapter = ["--model", MODEL, "--adapter", "adapter"];
    let report = done(home, &[&["report", CASE, "--id", "E1", "--docx", "E1.docx"], &on_adapter[..], &SHORT].concat());
    contains(&report.out, &["right in 0 % to "]);
    let json = done(home, &[&["report", CASE, "--json"], &on_adapter[..], &SHORT].concat()).json();
    contains(&report.out, &[json["report"].as_str().unwrap()]);
    assert_eq!(json["generation"]["completion_tokens"], 12);
    // The same case from a file, without the adapter, which wrote otherwise.
    std::fs::write(home.join("案例.txt"), CASE).unwrap();
    let plain =
        done(home, &[&["report", "--file", "案例.txt", "--model", MODEL, "--json"], &SHORT[..]].concat()).json();
    assert_eq!(plain["adapters"], serde_json::json!([]));
    contains(&done(home, &["review", "E1.docx"]).out, &["E1 ", " kept; ", " changes still open"]);

    std::fs::write(home.join("few.yaml"), "max_rows: 4\n").unwrap();
    let evaluate = [&["evaluate", ROWS, "--data-config", "few.yaml", "--training", ROWS], &on_adapter[..]].concat();
    contains(
        &done(home, &evaluate).out,
        &["Rows          4\n", "Model alone   loss ", "With adapter  loss ", "Copied        "],
    );
    let json = done(home, &[&evaluate[..], &["--json", "--scale", "0"]].concat()).json();
    assert_eq!(json["base"]["loss"], json["adapter"]["loss"], "an adapter of scale 0 changes nothing");

    let doctor = done(home, &["doctor", ROWS, "--model", MODEL, "--config", CONFIG, "--row", "2"]).out;
    contains(
        &doctor,
        &[
            "Devices       cpu",
            "Model         tailora-tiny",
            "Rows          60",
            "Findings      none",
            "140 steps",
            "<|im_start|>",
        ],
    );
    std::fs::write(home.join("contradiction.csv"), "input,output\n岗位:P7,好\n岗位:P7,差\n").unwrap();
    let found = run(home, &["doctor", "contradiction.csv"]);
    assert_eq!(found.status, 3);
    contains(&found.out, &["error         line 3, output: the same input as row 1", "-> "]);
}

#[test]
fn a_batch_its_word_files_and_their_review() {
    if tool::path().is_none() {
        return;
    }
    let (trained, _) = trained();
    let home = workplace("batch");
    // A value with a comma, and a person without a case.
    std::fs::write(home.join("人员.csv"), "工号,岗位,绩效,自评\nE1,P7,A,\"认真,负责\"\nE2,P6,B,\nE3,,,\n").unwrap();
    let adapter = trained.join("adapter");
    let short = ["--set", "report.generate.max_tokens=12", "--set", "report.influence=false"];
    let all = [
        "--config",
        "samples/cli/cases.yaml",
        "--model",
        MODEL,
        "--adapter",
        adapter.to_str().unwrap(),
        "--job",
        "任务",
    ];
    let batch = [&["batch", "人员.csv"], &all[..], &short].concat();
    let first = run(&home, &batch);
    assert_eq!(first.status, 4, "{}{}", first.out, first.err);
    contains(&first.out, &["Reports       2 on 3 rows", "Without one   1 rows"]);
    contains(&first.err, &["writing reports  3/3", "tailora: line 4: "]);
    let again = run(&home, &[&batch[..], &["--json"]].concat());
    assert_eq!((again.status, again.json()["resumed"].as_u64()), (4, Some(3)));
    let other = run(&home, &[&batch[..], &["--set", "report.max_conclusions=2"]].concat());
    assert_eq!(other.status, 3);
    contains(&other.err, &["another job"]);

    let files = run(&home, &["docx", "任务", "--out", "草稿", "--set", "language=en"]);
    assert_eq!((files.status, files.out.as_str()), (4, "草稿/E1.docx\n草稿/E2.docx\n"));
    assert_eq!(run(&home, &["docx", "任务", "--out", "all.docx", "--json"]).json(), serde_json::json!(["all.docx"]));
    page::accept_all(&home.join("草稿"));
    let review = done(&home, &["review", "草稿", "--rows", "审阅.csv", "--json"]).json();
    assert_eq!(review[0]["cases"][0]["input"], "岗位:P7,绩效:A,自评:\"认真,负责\"");
    assert_eq!(
        (&review[1]["cases"][0]["id"], &review[1]["cases"][0]["pending"]),
        (&Value::from("E2"), &Value::from(0))
    );
    assert_eq!(run(&home, &["review", "草稿", "--rows", "审阅.csv"]).status, 3, "written over what was there");
    // The rows are a training's.
    let rows = done(&home, &["doctor", "审阅.csv", "--json"]).json();
    assert_eq!((&rows["rows"]["rows"], &rows["rows"]["findings"][0]["severity"]), (&Value::from(2), &Value::Null));

    let words =
        ["recalibrate", "草稿", "--model", MODEL, "--adapter", adapter.to_str().unwrap(), "--save", "recalibrated"];
    contains(&done(&home, &words).out, &["Reviewed      2 reports: ", "Saved as      recalibrated"]);
}

#[test]
fn shards_are_merged() {
    if tool::path().is_none() {
        return;
    }
    let home = workplace("shards");
    let short = ["--set", "report.generate.max_tokens=4", "--set", "report.influence=false", "--quiet"];
    for shard in ["0", "1"] {
        let index = format!("shard.index={shard}");
        let words =
            ["batch", "samples/cli/cases.csv", "--config", "samples/cli/cases.yaml", "--model", MODEL, "--job", shard];
        done(&home, &[&words[..], &short, &["--set", &index, "--set", "shard.count=2"]].concat());
    }
    assert_eq!(run(&home, &["merge", "0", "0", "--out", "all.jsonl"]).status, 2);
    contains(&done(&home, &["merge", "0", "1", "--out", "all.jsonl"]).out, &["3 reports on 3 rows"]);
    assert_eq!(std::fs::read_to_string(home.join("all.jsonl")).unwrap().lines().count(), 3);
}

#[test]
fn versions_are_published_promoted_and_rolled_back() {
    if tool::path().is_none() {
        return;
    }
    let (trained, _) = trained();
    let home = workplace("registry");
    let adapter = trained.join("adapter");
    let publish = |name: &str| {
        let option = format!("name={name}");
        let words =
            ["registry", "publish", "库", adapter.to_str().unwrap(), "--model", MODEL, "--set", &option, "--json"];
        done(&home, &words).json()["version"].as_str().unwrap().to_owned()
    };
    let (first, second) = (publish("first"), publish("second"));
    let registry = |words: &[&str]| done(&home, &[&["registry"], words].concat()).out;
    contains(&registry(&["list", "库"]), &[&first, &second]);
    contains(&registry(&["promote", "库", "production", &first]), &["Change 1", "promote", &first]);
    contains(&registry(&["promote", "库", "production", &second]), &["Change 2", &second]);
    contains(&registry(&["rollback", "库", "production"]), &["Change 3", "rollback", &first]);
    contains(&registry(&["history", "库", "production"]), &["Change 1", "Change 3"]);
    contains(&registry(&["resolve", "库", "production"]), &[&first, "tailora-tiny"]);
    contains(&registry(&["list", "库"]), &[&format!("Alias         production = {first}")]);

    let (half, other_half) = (format!("{first}=0.5"), format!("{second}=0.5"));
    contains(
        &registry(&["promote", "库", "test", &half, &other_half]),
        &[&format!("{first} 50 %"), &format!("{second} 50 %")],
    );
    assert_eq!(run(&home, &["registry", "resolve", "库", "test"]).status, 2, "a split alias needs an id");
    let chosen = registry(&["resolve", "库", "test", "--id", "E1"]);
    assert!(chosen.contains(&first) != chosen.contains(&second), "{chosen}");
    assert_eq!(run(&home, &["registry", "promote", "库", "test", &first, &second]).status, 2, "no shares");
    assert_eq!(run(&home, &["registry", "contains", "库", &first, "E1"]).status, 2, "nobody knows");

    let report =
        [&["report", CASE, "--model", MODEL, "--registry", "库", "--adapter", "production", "--id", "E1"], &SHORT[..]];
    assert_eq!(registry(&["audited", "库", "E1"]), "No report was audited.\n");
    done(&home, &report.concat());
    contains(&registry(&["audited", "库", "E1"]), &[&first, "seed 0"]);
}

#[test]
fn what_is_wrong_is_said_with_an_exit_status() {
    if tool::path().is_none() {
        return;
    }
    let home = workplace("wrong");
    for (name, text) in [
        ("typo.yaml", "# settings\nlearning_rate: 0.01\nepochs: 3\n"),
        ("range.yaml", "r: 0\n"),
        ("broken.yaml", "r: [8\n"),
        ("empty.csv", "input,output\na,b\nc,\n"),
        ("quote.csv", "input,output\na,\"b\n"),
        ("no.docx", "nothing"),
    ] {
        std::fs::write(home.join(name), text).unwrap();
    }
    let of_table = |words: &str| -> Vec<String> {
        let word = |word: &str| match word {
            "ROWS" => ROWS.to_owned(),
            "MODEL" => MODEL.to_owned(),
            "CASE" => CASE.to_owned(),
            word => word.to_owned(),
        };
        words.split_whitespace().map(word).collect()
    };
    for (words, status, parts) in WRONG {
        let words = of_table(words);
        let run = run(&home, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run.status, *status, "{words:?}: {}", run.err);
        assert!(run.out.is_empty() && run.err.contains("tailora: "), "{words:?}: {}{}", run.out, run.err);
        contains(&run.err, parts);
    }
    let error =
        run(&home, &["train", ROWS, "--model", MODEL, "--out", "run", "--config", "typo.yaml", "--json"]).json();
    assert_eq!(error["error"]["code"], "TAILORA_ERR_INVALID_OPTIONS");
    assert_eq!(error["error"]["details"]["line"], 3);
}

/// Words, the exit status, and what is said.
const WRONG: &[(&str, i32, &[&str])] = &[
    ("", 2, &["expected a command"]),
    ("frain", 2, &["frain"]),
    ("registry", 2, &["expected a command"]),
    ("train", 2, &["ROWS is required"]),
    ("train ROWS", 2, &["--model is required"]),
    ("train ROWS --model MODEL", 2, &["--out, --save, or output_dir"]),
    (
        "train ROWS --model MODEL --out run --config typo.yaml",
        2,
        &["typo.yaml", "line 3", "`epochs`", "num_train_epochs"],
    ),
    ("train ROWS --model MODEL --out run --config range.yaml", 2, &["line 1", "`r`"]),
    ("train ROWS --model MODEL --out run --config broken.yaml", 2, &["broken.yaml", "line "]),
    ("train ROWS --model MODEL --out run --config none.yaml", 3, &["none.yaml"]),
    ("train ROWS --model MODEL --out run --set lerning_rate=1", 2, &["`lerning_rate`", "`learning_rate`"]),
    ("train ROWS --model MODEL --out run --set r", 2, &["expected KEY=VALUE"]),
    ("train none.csv --model MODEL --out run", 3, &["none.csv"]),
    ("train empty.csv --model MODEL --out run", 3, &["row 2", "line 3", "`output`"]),
    ("doctor quote.csv", 3, &["row 1"]),
    ("doctor ROWS --row 1", 2, &["--model"]),
    ("report CASE --model none", 3, &["none"]),
    ("report --model MODEL", 2, &["expected the case"]),
    ("report CASE --model MODEL --scale 1", 2, &["--scale"]),
    ("report nothing --model MODEL", 2, &["name:value"]),
    ("report CASE --model MODEL --adapter none", 3, &["none"]),
    ("report CASE --model MODEL --docx a.docx", 2, &["--id"]),
    ("batch none.csv --model MODEL --job job", 3, &["none.csv"]),
    ("docx none --out drafts", 3, &["none/cases.jsonl"]),
    ("review no.docx", 3, &["no.docx"]),
    ("review .", 3, &["no.docx"]),
    ("review samples/cli", 3, &["has no .docx"]),
    ("registry list none", 3, &["none"]),
    ("options trian", 2, &["trian", "train"]),
];

#[test]
fn an_interrupted_training_goes_on() {
    if tool::path().is_none() {
        return;
    }
    let home = workplace("interrupted");
    let options = ["--set", "max_steps=12", "--set", "checkpoint_steps=1", "--set", "calibration_rows=0"];
    let words = [&["train", ROWS, "--model", MODEL, "--config", CONFIG, "--save", "adapter"], &options[..]].concat();
    let mut command = Command::new(tool::path().unwrap());
    command.args(&words).current_dir(&home).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut training = command.spawn().unwrap();
    let mut lines = BufReader::new(training.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("training  ")));
    native::run(Command::new("kill").args(["-INT", &training.id().to_string()]));
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let ended = training.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{rest:?}");
    contains(&rest.join("\n"), &["tailora: stopping; what is done is kept"]);
    contains(&String::from_utf8(ended.stdout).unwrap(), &["cancelled after ", "/runs/hr_report/adapters/hr_report-"]);
    assert!(home.join("runs/hr_report/checkpoint.safetensors").is_file() && !home.join("adapter").exists());

    let run = done(&home, &words);
    contains(&run.out, &["completed after 12 steps", "Saved as      adapter"]);
    let first = run.err.lines().find_map(|line| line.strip_prefix("training  ")?.split('/').next()).unwrap();
    assert_ne!(first, "1", "it began anew: {}", run.err);
}

/// Characters of a shown line that every machine prints.
const BEGINNING: usize = 6;

#[test]
fn the_page_for_analysts_is_true() {
    let (page, chinese) = (page::blocks("docs/hr.md"), page::blocks("docs/hr.zh.md"));
    assert_eq!(page, chinese, "both pages have the same blocks");
    assert!(page.iter().filter(|(kind, _)| kind == "sh").count() >= 6);
    if tool::path().is_none() {
        return;
    }
    let home = workplace("page");
    let mut printed = String::new();
    for (kind, block) in page {
        match kind.as_str() {
            "sh" => {
                if block.contains("tailora review drafts") {
                    page::accept_all(&home.join("drafts"));
                }
                printed = page::run(&block, &home);
            }
            // An Excel formula is no output; figures, and what was learnt, are those of one machine.
            "text" if !block.starts_with('=') => {
                for line in block.lines() {
                    let begins: String = line.chars().take(BEGINNING).collect();
                    assert!(printed.contains(&begins), "the page shows `{line}`, printed was: {printed}");
                }
            }
            _ => {}
        }
    }
    contains(&printed, &["hr_report-"]);
}
