//! `cargo xtask bench train`: LoRA training of this library beside PyTorch + PEFT, on one machine, in turn.
//!
//! Every figure comes from a process of its own, so that peak memory is that of one case. `benches/README.md` says what
//! is measured and how.

mod cases;
mod child;
#[path = "../common/figures.rs"]
mod figures;
#[path = "../common/gpu.rs"]
mod gpu;
mod model;
#[path = "../common/models.rs"]
mod models;
mod options;
#[path = "../common/program.rs"]
mod program;
mod rounds;
mod scaling;
#[path = "../common/spread.rs"]
mod spread;
mod table;

use options::Options;
use program::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    program::run("train", child::run, |args| bench(&Options::parse(args)?))
}

fn bench(options: &Options) -> Outcome {
    if options.help {
        println!("{}", options::HELP);
        return Ok(());
    }
    let model = model::prepare(&options.shape)?;
    println!(
        "{}, {}, {} rows a step, {} rounds of {} steps",
        options.shape,
        options.place(),
        options.batch,
        options.rounds,
        options.steps
    );
    let mut results = Vec::new();
    if !options.scaling {
        for workload in cases::workloads(&options.case, &options.device)? {
            results.extend(rounds::measure(&workload, &model, options)?);
        }
        table::print(&results);
    }
    let scaling = match options.scaling || options.case.is_empty() && options.device == "cpu" {
        true => Some(scaling::measure(&model, options)?),
        false => None,
    };
    // The last line is for programs.
    match scaling.filter(|_| options.scaling) {
        Some(scaling) => println!("{scaling}"),
        None => println!("{}", table::json(&results)),
    }
    Ok(())
}
