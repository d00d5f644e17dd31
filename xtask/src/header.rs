//! `cargo xtask header [--check]`: the C header, by a program of its own, since cbindgen takes long to build.

use crate::shell::{Outcome, cargo, run as run_command};

pub fn run(args: &[String]) -> Outcome {
    run_command(cargo().args(["run", "--quiet", "--package", "header", "--"]).args(args))
}
