//! `cargo xtask fuzz`: each target of fuzz/ for a while, from the seeds and findings in tests/corpus. Without a sanitizer,
//! on stable Rust: what is looked for are panics, hangs and memory, and assertions and overflow checks are on.

use crate::shell::{Outcome, cargo, create_dir, find, root, run as run_command, target};
use std::path::Path;

/// Past these an input is a finding, as a panic is. The seconds are those of the clock, of an instrumented build on a
/// machine that may be busy: what takes two in a release takes up to ten here.
const LIMITS: &[&str] = &["-timeout=10", "-rss_limit_mb=4096", "-malloc_limit_mb=1024"];

pub fn run(args: &[String]) -> Outcome {
    let known = targets()?;
    let plan = Plan::read(args, &known)?;
    if find("cargo-fuzz").is_none() {
        return Err("cargo-fuzz is not installed; run `cargo install --locked cargo-fuzz` (some minutes)".to_owned());
    }
    let mut found = Vec::new();
    for name in &plan.targets {
        if let Err(message) = fuzz(name, &plan) {
            eprintln!("xtask fuzz: {name}: {message}");
            found.push(name.as_str());
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "findings in {}: the inputs lie in {}; `cargo fuzz tmin --sanitizer none TARGET FILE` makes one small, and in \
         tests/corpus/TARGET every test run tries it again",
        found.join(", "),
        target().join("fuzz").display()
    ))
}

/// What is run for how long.
#[derive(Debug, PartialEq)]
struct Plan {
    targets: Vec<String>,
    seconds: u64,
    runs: Option<u64>,
}

impl Plan {
    fn read(args: &[String], known: &[String]) -> Outcome<Self> {
        let mut plan = Plan { targets: Vec::new(), seconds: 60, runs: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("{arg} needs a number"))
            };
            match arg.as_str() {
                "--seconds" => plan.seconds = number()?,
                "--runs" => plan.runs = Some(number()?),
                name if known.iter().any(|known| known == name) => plan.targets.push(name.to_owned()),
                name => return Err(format!("there is no target `{name}`; there are: {}", known.join(", "))),
            }
        }
        if plan.targets.is_empty() {
            plan.targets = known.to_vec();
        }
        Ok(plan)
    }
}

/// The names of `fuzz/fuzz_targets/*.rs`.
fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz").join("fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn fuzz(name: &str, plan: &Plan) -> Outcome {
    // Inputs that reach something new are kept in the first folder; seeds are only read.
    let scratch = target().join("fuzz").join(name);
    let (corpus, findings) = (scratch.join("corpus"), scratch.join("findings"));
    create_dir(&corpus)?;
    create_dir(&findings)?;
    let mut command = cargo();
    command.args(["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none", name]);
    command.arg(&corpus).arg(Path::new("tests").join("corpus").join(name)).arg("--").args(LIMITS);
    command.arg(format!("-max_total_time={}", plan.seconds));
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    command.args(plan.runs.map(|runs| format!("-runs={runs}")));
    run_command(command.arg("-print_final_stats=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_the_arguments() {
        let known = ["calls".to_owned(), "options".to_owned()];
        let read = |args: &[&str]| Plan::read(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), &known);
        assert_eq!(read(&[]), Ok(Plan { targets: known.to_vec(), seconds: 60, runs: None }));
        let one = Plan { targets: vec!["calls".to_owned()], seconds: 5, runs: Some(9) };
        assert_eq!(read(&["calls", "--seconds", "5", "--runs", "9"]), Ok(one));
        assert!(read(&["--seconds"]).is_err() && read(&["cals"]).unwrap_err().contains("calls, options"));
    }

    #[test]
    fn every_target_has_seeds() {
        for name in targets().unwrap() {
            let folder = root().join("tests").join("corpus").join(&name);
            assert!(std::fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some()), "{}", folder.display());
        }
    }
}
