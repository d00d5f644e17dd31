//! The table of calls, what each must answer, and the programs in C and C++ that make them.

mod programs;

pub use programs::{c_program, cpp_program};

use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One row of the table.
pub struct Case {
    pub expected: Value,
    pub name: String,
    pub call: String,
    /// What the call takes: a path, a prompt, a name.
    pub subject: String,
    /// What is scored; the options that a file has.
    pub completion: String,
    /// Where a job or a registry may be, which is not there yet.
    pub folder: String,
    /// Tokens.
    pub ids: Vec<u32>,
    pub options: Option<String>,
    pub session: Option<String>,
}

/// What a call answered: a status's name, the result or the error's details, the error's sentence.
pub struct Answer {
    pub status: String,
    pub json: String,
    pub message: String,
}

/// The table's rows for programs in a language. `root` is the repository; what a call reads and writes lies in `home`.
pub fn cases(language: &str, root: &Path, home: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(root.join("tests/conformance/calls.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let cases = table["cases"].as_array().unwrap().iter().enumerate().map(|(at, case)| {
        let text = |key: &str| case.get(key).and_then(Value::as_str).map(str::to_owned);
        let written = |content: String, name: String| {
            let path = home.join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let csv = text("csv").map(|content| written(content, format!("{language}-{at}.csv")));
        let file =
            text("file").map(|content| written(content, format!("{language}-{at}-{}", text("file_name").unwrap())));
        let value = case.get("cases").map(Value::to_string);
        let subject = file.or(text("options_name")).or(text("path")).or(text("prompt")).or(csv).or(value);
        let folder = home.join(format!("{language}-{at}"));
        let _ = std::fs::remove_dir_all(&folder);
        Case {
            name: text("name").unwrap(),
            call: text("call").unwrap(),
            subject: subject.unwrap_or_else(|| model(root).to_str().unwrap().to_owned()),
            completion: text("completion").or(text("options_name")).unwrap_or_default(),
            folder: folder.to_str().unwrap().to_owned(),
            ids: case.get("ids").cloned().map(|ids| serde_json::from_value(ids).unwrap()).unwrap_or_default(),
            options: case.get("options").map(Value::to_string),
            session: case.get("session").map(Value::to_string),
            expected: case.clone(),
        }
    });
    cases.collect()
}

/// The model of all calls.
pub fn model(root: &Path) -> PathBuf {
    root.join("tests/fixtures/models/qwen2")
}

/// The dataset to train on.
pub fn csv(root: &Path) -> PathBuf {
    root.join("samples/data/talent_review.csv")
}

/// Fails with all that is not as the table has it.
pub fn check(language: &str, cases: &[Case], answers: &[Answer]) {
    assert_eq!(cases.len(), answers.len(), "{language} did not answer every call");
    let mut wrong = String::new();
    for (case, answer) in cases.iter().zip(answers) {
        let Answer { status, json, message } = answer;
        let mut refuse = |what: &str| {
            writeln!(wrong, "{language}, {}: {what}; it answered {status} {message} {json}", case.name).unwrap();
        };
        if status != case.expected["status"].as_str().unwrap() {
            refuse("another status");
            continue;
        }
        let Ok(json) = serde_json::from_str::<Value>(json) else {
            refuse("no JSON");
            continue;
        };
        for pointer in case.expected["has"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if json.pointer(pointer).is_none() {
                refuse(&format!("no {pointer}"));
            }
        }
        for (pointer, value) in case.expected["equals"].as_object().unwrap_or(&Map::new()) {
            if json.pointer(pointer) != Some(value) {
                refuse(&format!("{pointer} is not {value}"));
            }
        }
        for part in case.expected["message"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !message.contains(part) {
                refuse(&format!("the message lacks `{part}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Three lines an answer, as the C and C++ programs print them.
pub fn read(output: &str) -> Vec<Answer> {
    let lines: Vec<&str> = output.lines().collect();
    let answers = lines.chunks(3).map(|lines| Answer {
        status: lines[0].to_owned(),
        json: lines.get(1).copied().unwrap_or_default().to_owned(),
        message: lines.get(2).copied().unwrap_or_default().to_owned(),
    });
    answers.collect()
}
