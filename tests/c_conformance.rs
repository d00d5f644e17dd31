//! The same calls from Rust, C and C++ must give the same answers: `tests/conformance/calls.json`.
//!
//! A program is written for each language out of the table, run, and its answers are checked here. The C# tests read the
//! same file (`bindings/dotnet/tests/Tailora.Tests/ConformanceTests.cs`), and `cargo xtask windows` runs the same programs
//! on the DLL.

mod conformance;
mod native;

use conformance::{Answer, Case, c_program, cases, check, cpp_program, csv, model, read};
use native::{Language, Program, folder, root};
use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use tailora::capi::*;

/// For what the calls read and write.
fn home() -> PathBuf {
    folder("conformance")
}

fn run_program(language: Language, extension: &str, dialect: &str, cases: &[Case], source: String) {
    let Some(compiler) = native::compiler(language) else { return };
    let file = home().join(format!("calls.{extension}"));
    std::fs::write(&file, source).unwrap();
    let program = Program::compile_file(&compiler, &file, dialect, &[]);
    check(extension, cases, &read(&program.output(&[])));
}

#[test]
fn c() {
    let cases = cases("c", root(), &home());
    run_program(Language::C, "c", "-std=c11", &cases, c_program(&cases, root()));
}

#[test]
fn cpp() {
    let cases = cases("cpp", root(), &home());
    run_program(Language::Cpp, "cpp", "-std=c++17", &cases, cpp_program(&cases, root()));
}

#[test]
fn rust() {
    let cases = cases("rust", root(), &home());
    let path = |path: PathBuf| CString::new(path.to_str().unwrap()).unwrap();
    let (mut model_handle, mut dataset) = (null_mut(), null_mut());
    // SAFETY: what the header asks for: NUL-terminated texts and places to write to, all of them locals.
    unsafe {
        let (model_path, csv_path) = (path(model(root())), path(csv(root())));
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
