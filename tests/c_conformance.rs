//! The same calls from Rust, C and C++ must give the same answers: `tests/conformance/calls.json`.
//!
//! A program is written for each language out of the table, run, and its answers are checked here: no JSON in C needed.
//! The C# tests read the same file (`bindings/dotnet/tests/Tailora.Tests/ConformanceTests.cs`).

mod native;

use native::{Language, Program, folder, root};
use serde_json::{Map, Value};
use std::ffi::{CStr, CString, c_char};
use std::fmt::Write;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use tailora::capi::*;

/// One row of the table.
struct Case {
    expected: Value,
    name: String,
    call: String,
    /// What the call takes: a path, a prompt, a name.
    subject: String,
    /// What is scored; the options that a file has.
    completion: String,
    /// Where a job or a registry may be, which is not there yet.
    folder: String,
    /// Tokens.
    ids: Vec<u32>,
    options: Option<String>,
    session: Option<String>,
}

/// What a call answered: a status's name, the result or the error's details, the error's sentence.
struct Answer {
    status: String,
    json: String,
    message: String,
}

fn cases(language: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(root().join("tests/conformance/calls.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let home = folder("conformance");
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
            subject: subject.unwrap_or_else(|| model().to_str().unwrap().to_owned()),
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

fn model() -> PathBuf {
    root().join("tests/fixtures/models/qwen2")
}

/// A dataset to train on.
fn csv() -> PathBuf {
    root().join("samples/data/talent_review.csv")
}

fn check(language: &str, cases: &[Case], answers: &[Answer]) {
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
fn read(output: &str) -> Vec<Answer> {
    let lines: Vec<&str> = output.lines().collect();
    let answers = lines.chunks(3).map(|lines| Answer {
        status: lines[0].to_owned(),
        json: lines.get(1).copied().unwrap_or_default().to_owned(),
        message: lines.get(2).copied().unwrap_or_default().to_owned(),
    });
    answers.collect()
}

/// A C string literal of any text: bytes that are not plain ASCII as octal escapes.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => write!(out, "\\{}", byte as char),
            b' '..=b'~' => write!(out, "{}", byte as char),
            _ => write!(out, "\\{byte:03o}"),
        }
        .unwrap();
    }
    out + "\""
}

fn optional(text: &Option<String>, none: &str) -> String {
    text.as_deref().map_or(none.to_owned(), literal)
}

/// Numbers in braces.
fn numbers(ids: &[u32]) -> String {
    format!("{{{}}}", ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

fn c_program(cases: &[Case]) -> String {
    let mut body = String::new();
    for case in cases {
        let (subject, options, session) =
            (literal(&case.subject), optional(&case.options, "NULL"), optional(&case.session, "NULL"));
        let call = match case.call.as_str() {
            "options_schema" => format!("tailora_options_schema({subject}, &json, &err)"),
            "model_load" => format!(
                "tailora_model_load({subject}, {options}, NULL, NULL, NULL, &loaded, &err);\n    \
                 if (status == 0) status = tailora_model_info(loaded, &json, &err);\n    tailora_model_free(loaded)"
            ),
            "dataset_open_csv" => format!(
                "tailora_dataset_open_csv({subject}, {options}, NULL, NULL, NULL, &opened, &err);\n    \
                 if (status == 0) status = tailora_dataset_info(opened, &json, &err);\n    tailora_dataset_free(opened)"
            ),
            "adapter_load" => format!(
                "tailora_adapter_load(model, {subject}, {options}, &adapter, &err);\n    \
                 if (status == 0) status = tailora_adapter_info(adapter, &json, &err);\n    tailora_adapter_free(adapter)"
            ),
            "train" => format!(
                "tailora_train(model, dataset, {options}, NULL, NULL, NULL, &adapter, &json, &err);\n    \
                 tailora_adapter_free(adapter)"
            ),
            "estimate" => format!("tailora_model_estimate(model, dataset, {options}, NULL, &json, &err)"),
            "evaluate" => format!(
                "tailora_evaluate(model, NULL, NULL, 0, dataset, dataset, {options}, NULL, NULL, NULL, &json, &err)"
            ),
            "tokenize" => {
                format!("tailora_model_tokenize(model, {subject}, sizeof({subject}) - 1, {options}, &json, &err)")
            }
            "detokenize" => {
                let (ids, count) = (numbers(&case.ids), case.ids.len());
                format!("tailora_model_detokenize(model, (const uint32_t[]){ids}, {count}, {options}, &json, &err)")
            }
            "score" => {
                let completion = literal(&case.completion);
                format!(
                    "tailora_session_new(model, {session}, &session, &err);\n    \
                     if (status == 0) status = tailora_session_score(session, {subject}, sizeof({subject}) - 1, {completion}, \
                     sizeof({completion}) - 1, {options}, NULL, &json, &err);\n    tailora_session_free(session)"
                )
            }
            "options_from_file" => {
                format!("tailora_options_from_file({subject}, {}, &json, &err)", literal(&case.completion))
            }
            "batch" => format!(
                "tailora_batch_run(model, NULL, NULL, 0, {subject}, {}, {options}, NULL, NULL, NULL, &json, &err)",
                literal(&case.folder)
            ),
            call @ ("registry_open" | "registry_create") => format!(
                "tailora_{call}({}, &registry, &err);\n    \
                 if (status == 0) status = tailora_registry_list(registry, &json, &err);\n    tailora_registry_free(registry)",
                literal(&case.folder)
            ),
            "export_docx" => {
                let file = literal(&format!("{}.docx", case.folder));
                format!(
                    "tailora_report_export_docx({subject}, {file}, {options}, &err);\n    \
                     if (status == 0) status = tailora_report_import_docx({file}, NULL, &json, &err)"
                )
            }
            "import_docx" => format!("tailora_report_import_docx({subject}, NULL, &json, &err)"),
            call @ ("generate" | "report") => format!(
                "tailora_session_new(model, {session}, &session, &err);\n    \
                 if (status == 0) status = tailora_session_{call}(session, {subject}, sizeof({subject}) - 1, {options}, \
                 NULL, &json, &err);\n    tailora_session_free(session)"
            ),
            other => panic!("the table has a call that no runner knows: {other}"),
        };
        writeln!(body, "    status = {call};\n    answer(status, &json, &err);").unwrap();
    }
    format!(
        r#"#include <stdio.h>
#include "tailora.h"
static void answer(tailora_status status, char **json, tailora_error **err) {{
    const char *message = status < 0 ? tailora_error_message(*err) : "";
    printf("%s\n%s\n%s\n", tailora_status_name(status), status < 0 ? tailora_error_details(*err) : *json, message);
    tailora_string_free(*json);
    tailora_error_free(*err);
    *json = NULL;
    *err = NULL;
}}
int main(void) {{
    tailora_model *model = NULL, *loaded = NULL;
    tailora_dataset *dataset = NULL, *opened = NULL;
    tailora_adapter *adapter = NULL;
    tailora_session *session = NULL;
    tailora_registry *registry = NULL;
    tailora_error *err = NULL;
    char *json = NULL;
    tailora_status status;
    if (tailora_model_load({model}, NULL, NULL, NULL, NULL, &model, NULL) != 0) return 1;
    if (tailora_dataset_open_csv({csv}, NULL, NULL, NULL, NULL, &dataset, NULL) != 0) return 1;
{body}    tailora_dataset_free(dataset);
    tailora_model_free(model);
    return tailora_live_handles() != 0;
}}
"#,
        model = literal(model().to_str().unwrap()),
        csv = literal(csv().to_str().unwrap()),
    )
}

fn cpp_program(cases: &[Case]) -> String {
    let mut body = String::new();
    for case in cases {
        let (subject, options, session) =
            (literal(&case.subject), optional(&case.options, "{}"), optional(&case.session, "{}"));
        let call = match case.call.as_str() {
            "options_schema" => format!("tailora::options_schema({subject})"),
            "model_load" => format!("tailora::Model::load({subject}, {options}).info()"),
            "dataset_open_csv" => format!("tailora::Dataset::open_csv({subject}, {options}).info()"),
            "adapter_load" => format!("model.load_adapter({subject}, {options}).info()"),
            "train" => format!("tailora::train(model, dataset, {options}).summary"),
            "estimate" => format!("model.estimate(&dataset, {options})"),
            "evaluate" => format!("tailora::evaluate(model, {{}}, dataset, &dataset, {options})"),
            "tokenize" => format!("model.tokenize({subject}, {options})"),
            "detokenize" => format!("model.detokenize({}, {options})", numbers(&case.ids)),
            "score" => {
                format!("model.session({session}).score({subject}, {}, {options})", literal(&case.completion))
            }
            "options_from_file" => format!("tailora::options_from_file({subject}, {})", literal(&case.completion)),
            "batch" => format!("tailora::batch(model, {{}}, {subject}, {}, {options})", literal(&case.folder)),
            "registry_open" => format!("tailora::Registry::open({}).list()", literal(&case.folder)),
            "registry_create" => format!("tailora::Registry::create({}).list()", literal(&case.folder)),
            "export_docx" => {
                let file = literal(&format!("{}.docx", case.folder));
                format!("(tailora::export_docx({subject}, {file}, {options}), tailora::import_docx({file}))")
            }
            "import_docx" => format!("tailora::import_docx({subject})"),
            call @ ("generate" | "report") => format!("model.session({session}).{call}({subject}, {options})"),
            other => panic!("the table has a call that no runner knows: {other}"),
        };
        writeln!(body, "    answer([&] {{ return {call}; }});").unwrap();
    }
    format!(
        r#"#include <iostream>
#include "tailora.hpp"
template <typename Call> static void answer(Call call) {{
    try {{
        const std::string json = call();
        std::cout << "TAILORA_OK\n" << json << "\n\n";
    }} catch (const tailora::error &err) {{
        std::cout << err.name() << "\n" << err.details() << "\n" << err.what() << "\n";
    }}
}}
static void all() {{
    const auto model = tailora::Model::load({model});
    const auto dataset = tailora::Dataset::open_csv({csv});
{body}}}
int main() {{
    all();
    return tailora_live_handles() != 0;
}}
"#,
        model = literal(model().to_str().unwrap()),
        csv = literal(csv().to_str().unwrap()),
    )
}

fn run_program(language: Language, extension: &str, dialect: &str, cases: &[Case], source: String) {
    let Some(compiler) = native::compiler(language) else { return };
    let file = folder("conformance").join(format!("calls.{extension}"));
    std::fs::write(&file, source).unwrap();
    let program = Program::compile_file(&compiler, &file, dialect, &[]);
    check(extension, cases, &read(&program.output(&[])));
}

#[test]
fn c() {
    let cases = cases("c");
    run_program(Language::C, "c", "-std=c11", &cases, c_program(&cases));
}

#[test]
fn cpp() {
    let cases = cases("cpp");
    run_program(Language::Cpp, "cpp", "-std=c++17", &cases, cpp_program(&cases));
}

#[test]
fn rust() {
    let cases = cases("rust");
    let path = |path: PathBuf| CString::new(path.to_str().unwrap()).unwrap();
    let (mut model_handle, mut dataset) = (null_mut(), null_mut());
    // SAFETY: what the header asks for: NUL-terminated texts and places to write to, all of them locals.
    unsafe {
        let (model_path, csv_path) = (path(model()), path(csv()));
        let loaded =
            tailora_model_load(model_path.as_ptr(), null(), None, null_mut(), null(), &mut model_handle, null_mut());
        assert_eq!(loaded, TAILORA_OK);
        let opened =
            tailora_dataset_open_csv(csv_path.as_ptr(), null(), None, null_mut(), null(), &mut dataset, null_mut());
        assert_eq!(opened, TAILORA_OK);
    }
    let answers: Vec<Answer> = cases.iter().map(|case| answer(case, model_handle, dataset)).collect();
    check("rust", &cases, &answers);
    // SAFETY: tokens.
    unsafe {
        assert_eq!(tailora_dataset_free(dataset), TAILORA_OK);
        assert_eq!(tailora_model_free(model_handle), TAILORA_OK);
    }
    assert_eq!(tailora_live_handles(), 0);
}

/// The calls around a model.
///
/// # Safety
/// All texts are NUL-terminated, but for the last, the options, which may be NULL.
unsafe fn business(
    call: &str,
    model: *mut tailora_model,
    [subject, other, folder, options]: [*const c_char; 4],
    json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    let (none, nobody) = (null_mut(), null());
    // SAFETY: the caller's promise.
    unsafe {
        match call {
            "options_from_file" => tailora_options_from_file(subject, other, json, err),
            "batch" => {
                tailora_batch_run(model, null(), null(), 0, subject, folder, options, None, none, nobody, json, err)
            }
            "registry_open" | "registry_create" => {
                let open = if call == "registry_open" { tailora_registry_open } else { tailora_registry_create };
                let mut registry = null_mut();
                let status = open(folder, &mut registry, err);
                let status = if status == 0 { tailora_registry_list(registry, json, err) } else { status };
                tailora_registry_free(registry);
                status
            }
            "export_docx" => {
                let file = format!("{}.docx", CStr::from_ptr(folder).to_str().unwrap());
                let file = CString::new(file).unwrap();
                let status = tailora_report_export_docx(subject, file.as_ptr(), options, err);
                if status == 0 { tailora_report_import_docx(file.as_ptr(), null(), json, err) } else { status }
            }
            "import_docx" => tailora_report_import_docx(subject, null(), json, err),
            other => panic!("the table has a call that no runner knows: {other}"),
        }
    }
}

fn answer(case: &Case, model: *mut tailora_model, dataset: *mut tailora_dataset) -> Answer {
    let text = |text: &str| CString::new(text).unwrap();
    let (subject, len) = (text(&case.subject), case.subject.len());
    let (options, session_options) = (case.options.as_deref().map(text), case.session.as_deref().map(text));
    let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
    let (name, options, session_options) = (subject.as_ptr(), pointer(&options), pointer(&session_options));
    let (mut json, mut err): (*mut c_char, *mut tailora_error) = (null_mut(), null_mut());
    // SAFETY: as above; what is given out is read before it is freed.
    unsafe {
        let status = match case.call.as_str() {
            "options_schema" => tailora_options_schema(name, &mut json, &mut err),
            "model_load" => {
                let mut loaded = null_mut();
                let status = tailora_model_load(name, options, None, null_mut(), null(), &mut loaded, &mut err);
                let status = if status == 0 { tailora_model_info(loaded, &mut json, &mut err) } else { status };
                tailora_model_free(loaded);
                status
            }
            "dataset_open_csv" => {
                let mut opened = null_mut();
                let status = tailora_dataset_open_csv(name, options, None, null_mut(), null(), &mut opened, &mut err);
                let status = if status == 0 { tailora_dataset_info(opened, &mut json, &mut err) } else { status };
                tailora_dataset_free(opened);
                status
            }
            "adapter_load" => {
                let mut adapter = null_mut();
                let status = tailora_adapter_load(model, name, options, &mut adapter, &mut err);
                let status = if status == 0 { tailora_adapter_info(adapter, &mut json, &mut err) } else { status };
                tailora_adapter_free(adapter);
                status
            }
            "train" => {
                let mut adapter = null_mut();
                let (none, nobody) = (null_mut(), null());
                let status =
                    tailora_train(model, dataset, options, None, none, nobody, &mut adapter, &mut json, &mut err);
                tailora_adapter_free(adapter);
                status
            }
            "estimate" => tailora_model_estimate(model, dataset, options, null(), &mut json, &mut err),
            "evaluate" => {
                let (none, nobody) = (null_mut(), null());
                tailora_evaluate(
                    model,
                    null(),
                    null(),
                    0,
                    dataset,
                    dataset,
                    options,
                    None,
                    none,
                    nobody,
                    &mut json,
                    &mut err,
                )
            }
            "tokenize" => tailora_model_tokenize(model, name, len, options, &mut json, &mut err),
            "detokenize" => {
                tailora_model_detokenize(model, case.ids.as_ptr(), case.ids.len(), options, &mut json, &mut err)
            }
            call @ ("options_from_file" | "batch" | "registry_open" | "registry_create" | "export_docx"
            | "import_docx") => {
                let (other, folder) = (text(&case.completion), text(&case.folder));
                business(call, model, [name, other.as_ptr(), folder.as_ptr(), options], &mut json, &mut err)
            }
            "score" => {
                let (completion, mut session) = (text(&case.completion), null_mut());
                let mut status = tailora_session_new(model, session_options, &mut session, &mut err);
                if status == 0 {
                    let (said, said_len) = (completion.as_ptr(), case.completion.len());
                    status =
                        tailora_session_score(session, name, len, said, said_len, options, null(), &mut json, &mut err);
                }
                tailora_session_free(session);
                status
            }
            call => {
                let mut session = null_mut();
                let mut status = tailora_session_new(model, session_options, &mut session, &mut err);
                if status == 0 {
                    let run = if call == "report" { tailora_session_report } else { tailora_session_generate };
                    status = run(session, name, len, options, null(), &mut json, &mut err);
                }
                tailora_session_free(session);
                status
            }
        };
        let string = |text: *const c_char| CStr::from_ptr(text).to_str().unwrap().to_owned();
        let answer = Answer {
            status: string(tailora_status_name(status)),
            json: string(if status < 0 { tailora_error_details(err) } else { json }),
            message: if status < 0 { string(tailora_error_message(err)) } else { String::new() },
        };
        tailora_string_free(json);
        tailora_error_free(err);
        answer
    }
}
