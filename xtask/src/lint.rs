//! `cargo xtask fmt` and `cargo xtask lint`.

use crate::shell::{Outcome, cargo, run};

pub fn format() -> Outcome {
    run(cargo().args(["fmt", "--all"]))
}

pub fn check() -> Outcome {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    crate::header::run(&["--check".to_owned()])
}
