//! What every bench is as a program: a parent with options, and children that each measure one case.

use std::path::Path;
use std::process::ExitCode;

/// A bench ends with a message for a person, never with a panic.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The argument that makes this program a child; the path of its job follows.
pub const CHILD: &str = "--child";

/// Runs as `child`, or as `parent` with the arguments after the program's name.
pub fn run(name: &str, child: fn(&Path) -> Outcome, parent: impl FnOnce(&[String]) -> Outcome) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let done = match args.as_slice() {
        [role, job] if role == CHILD => child(job.as_ref()),
        args => parent(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("bench {name}: {err}");
            ExitCode::FAILURE
        }
    }
}

/// The value of an option that is a number of at least 1.
pub fn positive(name: &str, text: &str) -> Outcome<usize> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} is `{text}`; expected a number of at least 1").into()),
    }
}
