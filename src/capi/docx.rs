//! Reports as Word files, and back.

use super::args::{clear, options, owned_text, path, paths, required};
use super::status::tailora_status;
use super::text::{give, json as to_json, json_text};
use super::types::*;
use super::{guard, handle, records, worker};
use crate::docx::{self, Case};
use crate::error::{Code, Error, Result};
use crate::options::Options;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ffi::c_char;

/// Options of `tailora_report_import_docx`. There are none yet: the parameter is there so that the first one needs no new
/// function.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ImportOptions {}

impl Options for ImportOptions {
    const NAME: &'static str = "docx import";
}

/// Writes reports as one Word file, each on a page of its own: the draft as tracked insertions of an AI author, a comment with
/// confidence and sources on each conclusion, the case's fields as a table. Change tracking is on, for whoever reviews it.
/// What they make of it comes back by `tailora_report_import_docx`.
///
/// `cases_json`: a case or a list of up to 2000: `{"id": …, "input": …, "report": …}`, where `report` is what
/// `tailora_session_report` gave for `input`, and `title` (may be left out) the heading instead of the id. `path`: the file; it is
/// replaced if it is there, and whole or as it was. `options_json`: see `tailora_options_schema("docx")`, among them
/// `template`, a house template; NULL for defaults. The same cases and options give the same bytes.
/// Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (what is no case or report, by its place in the JSON), `TAILORA_ERR_DOCX_FORMAT` (a
/// template that cannot be read or has no place for the report), `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_OPTIONS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_report_export_docx(
    cases_json: *const c_char,
    path: *const c_char,
    options_json: *const c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::run(err, || {
            let (cases, path) = (owned_text(cases_json, "cases_json")?, self::path(path, "path")?);
            let options = options(options_json)?;
            worker::run(move || {
                let cases = parsed(&cases)?;
                docx::write_file(&cases, &options.parse()?, &path)?;
                records::docx_written(cases.len(), 1);
                Ok(())
            })
        })
    }
}

/// Writes a Word file for each case, as `tailora_report_export_docx` writes one for all, named after the case's id.
///
/// `cases_json`: as there. `folder`: a folder that is there; a file of the same name is replaced, each whole or not at all.
/// `options_json`: as there. `paths_json` may be NULL; it receives a JSON list: the paths of the files, in the order of the cases.
/// Ownership: the caller frees `*paths_json` with `tailora_string_free`. Threads: any.
/// Errors: those of `tailora_report_export_docx`; `TAILORA_ERR_INVALID_ARGUMENT` also if two cases would have the same file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_report_export_docx_files(
    cases_json: *const c_char,
    folder: *const c_char,
    options_json: *const c_char,
    paths_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(paths_json);
        guard::run(err, || {
            let (cases, folder) = (owned_text(cases_json, "cases_json")?, path(folder, "folder")?);
            let options = options(options_json)?;
            let paths = worker::run(move || {
                let cases = parsed(&cases)?;
                let paths = docx::write_files(&cases, &options.parse()?, &folder)?;
                records::docx_written(cases.len(), paths.len());
                let shown = paths.iter().map(|path| path.display().to_string());
                Ok(json!(shown.collect::<Vec<_>>()).to_string())
            })?;
            give(paths_json, paths)
        })
    }
}

/// Reads a file that one of the functions above wrote and somebody reviewed in Word or LibreOffice: with its changes accepted,
/// rejected or open, its comments there or not. The result is a JSON object:
/// - `cases`, in their order: `id`, `input`, `output` (the accepted text; null where the draft's place is gone), `pending`
///   (changes on which nobody decided; in `output` they count as accepted), and `conclusions`, each with `kind`, `text`,
///   `confidence`, `confidence_kind`, `label` (`kept`, `edited`, `deleted`) and `accepted`, the text that stands in its place;
/// - `rows`: `input` and `output` of each case that has a text, for the next training's CSV.
///
/// `path`: the .docx. `options_json`: NULL; no option exists yet.
/// Ownership: the caller frees `*review_json` with `tailora_string_free`. Threads: any.
/// Errors: `TAILORA_ERR_DOCX_FORMAT` (no .docx, encrypted, with macros, damaged, without drafts, or rewritten so far that it
/// cannot be compared), `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_OPTIONS`, `TAILORA_ERR_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_report_import_docx(
    path: *const c_char,
    options_json: *const c_char,
    review_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(review_json);
        guard::run(err, || {
            required(review_json, "review_json")?;
            let (path, options) = (self::path(path, "path")?, options(options_json)?);
            let review = worker::run(move || {
                options.parse::<ImportOptions>()?;
                let review = docx::read_file(&path)?;
                let row = |(input, output): (&str, &str)| json!({ "input": input, "output": output });
                let rows: Vec<_> = review.rows().map(row).collect();
                records::docx_read(review.cases.len(), rows.len());
                Ok(json!({ "cases": to_json(&review.cases)?, "rows": rows }).to_string())
            })?;
            give(review_json, review)
        })
    }
}

/// Gives an adapter confidences that mean the share of conclusions that reviewers leave as they were: from its reports, exported
/// by the functions above and reviewed. What was learnt on the training rows stays, a few reviews change little, and the result is
/// a new version of the adapter with the same tensors. Reports with changes on which nobody decided do not count, nor those that
/// something else wrote: another version, several adapters, another scale, a schema.
///
/// `paths`: `count` reviewed .docx files. `summary_json` may be NULL; it receives a JSON object: `cases`, `conclusions`, `kept`,
/// `undecided` and `of_others` (reports that do not count), `before` and `after` (`ece`, `brier` and `auc` of the confidences that
/// the reports gave, and of the new ones on reports that they were not fitted to), `version`.
/// Ownership: the caller frees `*recalibrated` with `tailora_adapter_free` and `*summary_json` with `tailora_string_free`; the
/// adapter stays as it is. Threads: any.
/// Errors: `TAILORA_ERR_INVALID_ARGUMENT` (no report of this adapter on which somebody decided is there; of a NULL path, the
/// details give the position as `index`), `TAILORA_ERR_DOCX_FORMAT`, `TAILORA_ERR_IO`, `TAILORA_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailora_adapter_recalibrate(
    adapter: *const tailora_adapter,
    paths: *const *const c_char,
    count: usize,
    recalibrated: *mut *mut tailora_adapter,
    summary_json: *mut *mut c_char,
    err: *mut *mut tailora_error,
) -> tailora_status {
    // SAFETY: the caller's promise.
    unsafe {
        clear(recalibrated);
        clear(summary_json);
        guard::run(err, || {
            required(recalibrated, "recalibrated")?;
            let (adapter, paths) = (handle::get(adapter)?, self::paths(paths, count, "paths")?);
            let (made, summary) = worker::run(move || {
                let reviews = paths.iter().map(|path| docx::read_file(path)).collect::<Result<Vec<_>>>()?;
                let (made, summary) = docx::recalibrate(&adapter, &reviews)?;
                records::recalibrated(&summary);
                Ok((made, json_text(&summary)?))
            })?;
            recalibrated.write(handle::insert(made)?);
            give(summary_json, summary)
        })
    }
}

/// A case, or a list of them.
fn parsed(text: &str) -> Result<Vec<Case>> {
    let json: Value = serde_json::from_str(text).map_err(|err| wrong("", &err))?;
    match json.is_object() {
        true => read(json).map(|case| vec![case]),
        false => read(json),
    }
}

fn read<T: DeserializeOwned>(json: Value) -> Result<T> {
    serde_path_to_error::deserialize(json).map_err(|err| wrong(&err.path().to_string(), err.inner()))
}

fn wrong(path: &str, err: &serde_json::Error) -> Error {
    let place = match path {
        "" | "." => "cases".to_owned(),
        path if path.starts_with('[') => format!("cases{path}"),
        path => format!("cases.{path}"),
    };
    Error::new(Code::InvalidArgument, format!("{place}: {err}")).with("argument", "cases_json").with("json_path", place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_or_a_list_is_read_and_what_is_none_is_named() {
        let case = r#"{"id":"E1","input":"a:b","report":{}}"#;
        assert_eq!(parsed(case).unwrap().len(), 1);
        assert_eq!(parsed(&format!(" [{case},{case}]")).unwrap().len(), 2);
        for (text, place) in [
            ("", "cases"),
            ("3", "cases"),
            ("[3]", "cases[0]"),
            (r#"{"id":1}"#, "cases.id"),
            (&format!(r#"[{case},{{"id":1}}]"#), "cases[1].id"),
            (&format!("{case} x"), "cases"),
            (r#"[{"idd":1}]"#, "cases[0].idd"),
        ] {
            let err = parsed(text).unwrap_err();
            assert_eq!((err.code(), &err.details()["json_path"]), (Code::InvalidArgument, &json!(place)), "{err}");
        }
    }
}
