//! `cargo xtask bench NAME`: one of `benches/`. Each prints a table for people and, as its last line, one JSON object
//! for programs; a bench whose last line is not one is reported as failed.

use crate::shell::{Outcome, announce, cannot_start, cargo, line, root};
use crate::{llama, python};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

pub fn run(args: &[String]) -> Outcome {
    let known = names()?;
    let Some((name, rest)) = args.split_first() else {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(());
    };
    if !known.contains(name) {
        return Err(format!("there is no bench `{name}`; there are: {}", known.join(", ")));
    }
    let mut command = cargo();
    command.args(["bench", "--quiet", "--bench", name, "--"]).args(rest).stdout(Stdio::piped());
    if let Some(python) = python::existing() {
        command.env(python::VARIABLE, python);
    }
    if let Some(llama) = llama::existing() {
        command.env(llama::VARIABLE, llama);
    }
    announce(&command);
    let mut child = command.spawn().map_err(|err| cannot_start(&command, &err))?;
    let mut last = String::new();
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).lines() {
            last = text.map_err(|err| format!("cannot read what the bench prints: {err}"))?;
            println!("{last}");
        }
    }
    let status = child.wait().map_err(|err| format!("cannot wait for the bench: {err}"))?;
    if !status.success() {
        return Err(format!("{} ended with {status}", line(&command)));
    }
    if last.starts_with('{') && last.ends_with('}') {
        Ok(())
    } else {
        Err(format!("the last line of bench `{name}` is `{last}`; expected one JSON object"))
    }
}

/// The benches there are: `benches/NAME.rs` or `benches/NAME/main.rs`.
fn names() -> Outcome<Vec<String>> {
    let folder = root().join("benches");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs") || path.join("main.rs").is_file())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}
