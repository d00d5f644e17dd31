//! `cargo xtask bench train`: LoRA training of this library beside PyTorch + PEFT, on one machine, in turn.
//!
//! Every figure comes from a process of its own, so that peak memory is that of one case. `benches/README.md` says what
//! is measured and how.

mod cases;
mod child;
#[path = "../common/figures.rs"]
mod figures;
mod gpu;
mod model;
#[path = "../common/models.rs"]
mod models;
mod options;
mod rounds;
mod scaling;
mod table;

use options::Options;
use std::process::ExitCode;

/// A bench ends with a message for a person, never with a panic.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let done = match args.as_slice() {
        [role, job] if role == child::ROLE => child::run(job.as_ref()),
        args => Options::parse(args).and_then(|options| bench(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("bench train: {err}");
            ExitCode::FAILURE
        }
    }
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
