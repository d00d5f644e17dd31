//! `cargo xtask fmt` and `cargo xtask lint`.

use crate::shell::{Outcome, cargo, run};

pub fn format() -> Outcome {
    run(cargo().args(["fmt", "--all"]))
}

pub fn check() -> Outcome {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    for packages in [
        &["--package", "tailora", "--features", "panic-injection"][..],
        &["--package", "xtask", "--package", "header", "--package", "conformance"],
    ] {
        run(cargo().arg("clippy").args(packages).args(["--all-targets", "--", "--deny", "warnings"]))?;
    }
    crate::header::run(&["--check".to_owned()])?;
    crate::docs::run(&["--check".to_owned()])
}
