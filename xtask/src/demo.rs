//! `cargo xtask demo`: the main job as a C host runs it. Trains an adapter from the sample CSV on the bundled model and
//! prints the same employee's report without and with it. What the sample prints goes to standard output, the JSON
//! report last; what building prints goes to standard error.

use crate::shell::{Outcome, command, create_dir, root, run as run_command, target};
use crate::{compiler, library};
use std::env::consts::EXE_SUFFIX;

pub fn run(args: &[String]) -> Outcome {
    let library_dir = library::build()?;
    let demo = target().join("demo");
    create_dir(&demo)?;
    let samples = root().join("samples");
    let program = demo.join(format!("talent_review{EXE_SUFFIX}"));
    compiler::compile_c(&samples.join("c").join("talent_review.c"), &library_dir, &program)?;
    library::install(&library_dir, &demo)?;
    let mut sample = command(program);
    sample.arg(samples.join("models").join("tailora-tiny"));
    sample.arg(samples.join("data").join("talent_review.csv"));
    run_command(sample.args(args))
}
