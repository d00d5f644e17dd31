//! `cargo xtask bench reports`: schema-bound reports with one role prompt, written by this library beside llama.cpp's
//! server, on one machine, in turn.
//!
//! Either side is a process of its own. `benches/README.md` says what is measured and how.

mod child;
#[path = "../common/figures.rs"]
mod figures;
#[path = "../common/files.rs"]
mod files;
#[path = "../common/gguf.rs"]
mod gguf;
mod http;
#[path = "../common/llama.rs"]
mod llama;
#[path = "../common/models.rs"]
mod models;
mod options;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/program.rs"]
mod program;
mod rounds;
mod server;
#[path = "../common/spread.rs"]
mod spread;
mod table;
mod work;

use llama::{Llama, THREADS};
use options::Options;
use program::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("reports", child::run, |args| bench(&Options::parse(args)?))
}

fn bench(options: &Options) -> Outcome {
    if options.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    let llama = Llama::find();
    let shape = options.weights.shape(options.small);
    println!("{THREADS} threads, {} rounds; {}: {shape}", options.rounds, options.weights.name());
    println!("{} reports, {} at once, of at most {} tokens", options.reports, work::AT_ONCE, work::MAX_TOKENS);
    let result = rounds::measure(llama.as_ref(), options)?;
    table::print(&result);
    // The last line is for programs.
    println!("{}", table::json(&result));
    Ok(())
}
