//! Ours, in a process of its own.

use crate::Outcome;
use crate::work::{self, MAX_TOKENS, ROLE_PROMPT, Written};
use serde_json::{Value, json};
use std::path::Path;
use tailora::options::from_value;
use tailora::{
    Cancel, Control, GenerateOptions, LanguageModel, Monitor, ReportOptions, Session, SessionOptions, report,
};

/// Reports with confidences that are written: each is drawn several times, and for its influence once more for every other
/// value of a field.
const FEW: usize = 4;

/// Writes reports as `job` says and prints one JSON object.
pub fn run(job: &Path) -> Outcome {
    let job: Value = serde_json::from_slice(&std::fs::read(job)?)?;
    let file = job["file"].as_str().ok_or("the job has no file")?;
    let model = LanguageModel::load(Path::new(file), &from_value(job["model"].clone())?, &mut Monitor::none())?;
    let reports = job["reports"].as_u64().unwrap_or_default() as usize;
    // Not timed: memory is touched for the first time, threads start, the file's hash is made.
    Writer { model: &model, role_prompt: "You review." }.report(0, false)?;
    let writer = Writer { model: &model, role_prompt: ROLE_PROMPT };
    let plain = work::write_all(reports, |index| writer.document(index))?;
    // With the role prompt known, as the others find it.
    let bound = work::write_all(reports, |index| writer.document(index))?;
    let length = bound.tokens.div_ceil(reports);
    let free = work::write_all(reports, |index| writer.text(index, length))?;
    let few = reports.min(FEW);
    let document = work::write_all(few, |index| writer.document(index))?;
    let confident = work::write_all(few, |index| writer.report(index, false))?;
    let influenced = work::write_all(few, |index| writer.report(index, true))?;
    println!(
        "{}",
        json!({
            "plain": figures(&plain), "bound": figures(&bound), "free": figures(&free),
            "document": figures(&document), "confident": figures(&confident), "influenced": figures(&influenced),
        })
    );
    Ok(())
}

fn figures(written: &Written) -> Value {
    let Written { seconds, reports, unfinished, tokens } = written;
    json!({ "seconds": seconds, "reports": reports, "unfinished": unfinished, "tokens": tokens })
}

/// How a host has reports written: a session for each.
#[derive(Clone, Copy)]
struct Writer<'a> {
    model: &'a LanguageModel,
    role_prompt: &'a str,
}

impl Writer<'_> {
    fn session(&self) -> Outcome<Session> {
        let options = SessionOptions { system: Some(self.role_prompt.to_owned()), ..SessionOptions::default() };
        Ok(Session::new(self.model, &options)?)
    }

    /// The document of a case and nothing besides, as the peer writes it, and its tokens.
    fn document(&self, index: usize) -> Outcome<(String, usize)> {
        self.generated(index, json!({ "json_schema": work::schema(), "max_tokens": MAX_TOKENS }))
    }

    /// A text of that length in no schema.
    fn text(&self, index: usize, length: usize) -> Outcome<(String, usize)> {
        self.generated(index, json!({ "max_tokens": length }))
    }

    fn generated(&self, index: usize, options: Value) -> Outcome<(String, usize)> {
        let options: GenerateOptions = from_value(options)?;
        let text =
            self.session()?.generate(&work::input(index), &options, &Cancel::new(), &mut |_| Control::Continue)?;
        Ok((text.text, text.completion_tokens))
    }

    /// The document with confidences, and with the influence of the fields if it is to be measured.
    fn report(&self, index: usize, influence: bool) -> Outcome<(String, usize)> {
        let options: ReportOptions = from_value(json!({
            "schema": work::schema(), "influence": influence, "generate": { "max_tokens": MAX_TOKENS },
        }))?;
        let report = report(&mut self.session()?, &work::input(index), &options, &Cancel::new())?;
        let tokens = report["generation"]["completion_tokens"].as_u64().ok_or("a report has no `completion_tokens`")?;
        Ok((report["document"].to_string(), tokens as usize))
    }
}
