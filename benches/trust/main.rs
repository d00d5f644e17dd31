//! `cargo xtask bench trust`: how far reports can be relied on, on employees whose truth is known from rules.
//!
//! An adapter is trained as the README does, reports are written on employees that it has not seen, and every conclusion is
//! held against the rule: is it right, is its confidence, and are its sources the fields that decided it?
//! `benches/README.md` says what each figure means.

mod cases;
mod english;
mod figures;
mod options;
#[path = "../common/program.rs"]
mod program;
mod reports;
mod sample;
mod stability;

use cases::Case;
use options::Options;
use program::Outcome;
use serde_json::json;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("trust", |_| Err("this bench has no child".into()), |args| bench(&Options::parse(args)?))
}

fn bench(options: &Options) -> Outcome {
    if options.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    let mut results = Vec::new();
    for case in cases::all(options)?.into_iter().filter(|case| case.name.contains(&options.case)) {
        results.push(run(&case, options)?);
    }
    // The last line is for programs.
    println!("{}", json!({ "cases": results }));
    Ok(())
}

fn run(case: &Case, options: &Options) -> Outcome<serde_json::Value> {
    println!("{}: {} rows to train on, {} reports", case.name, case.rows, case.held_out.len());
    let mut trained = reports::Trained::on(case, options)?;
    println!("  trained: {}", trained.summary);
    let judged = trained.reports(&case.held_out, options)?;
    let mut figures = figures::of(&judged);
    println!("{}", figures.table());
    let moved = stability::of(&mut trained, &case.held_out[..options.stability.min(case.held_out.len())])?;
    println!("{moved}");
    figures.json["name"] = json!(case.name);
    figures.json["stability"] = moved.json();
    Ok(figures.json)
}
