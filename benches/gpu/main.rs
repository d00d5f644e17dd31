//! `bench-gpu`: training and generation of this library on one NVIDIA GPU, with the models of `make_models.py`; beside
//! them what `peer.py` measured there.
//!
//! Every process loads a model and measures one case or some. `benches/README.md` says what is measured and how.

mod bounds;
mod cases;
mod child;
#[path = "../common/figures.rs"]
mod figures;
#[path = "../common/gpu.rs"]
mod gpu;
mod options;
mod process;
#[path = "../common/program.rs"]
mod program;
mod results;
mod table;
#[path = "../common/texts.rs"]
mod texts;

use bounds::Bounds;
use options::Options;
use program::Outcome;
use results::Results;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("gpu", child::run, |args| bench(&Options::parse(args)?))
}

fn bench(options: &Options) -> Outcome {
    if options.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    let mut ours = Results::open(options.results.as_deref())?;
    let mut failed = Vec::new();
    if !options.table {
        for process in cases::processes(&options.cases)? {
            // The others may still be measured.
            if let Err(err) = process::measure(&process, options, &mut ours) {
                eprintln!("{err}");
                failed.push(err.to_string());
            }
        }
    }
    let peer = Results::open(options.peer.as_deref())?;
    let bounds = Bounds::read(&options.models, &peer)?;
    table::print(&ours, &peer, &bounds);
    // The last line is for programs.
    println!("{}", table::json(&ours, &peer, &bounds));
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("; ").into()),
    }
}
