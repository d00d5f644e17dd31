//! `cargo xtask docs [--check]`: the pages of options. Writing them needs the library, and a test has that.

use crate::shell::{Outcome, cargo, run as run_command};

pub fn run(args: &[String]) -> Outcome {
    let check = args.iter().any(|arg| arg == "--check");
    let (test, ignored) = match check {
        true => ("the_committed_pages_are_what_the_schemas_say", None),
        false => ("writes_the_pages", Some("--ignored")),
    };
    let mut command = cargo();
    command.args([
        "test",
        "--quiet",
        "--features",
        "panic-injection",
        "--test",
        "options_pages",
        "--",
        "--exact",
        test,
    ]);
    run_command(command.args(ignored))
}
