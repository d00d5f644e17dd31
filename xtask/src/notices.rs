//! `cargo xtask notices`: THIRD-PARTY-NOTICES.txt. Writing it needs `cargo metadata` read, and a test does that.

use crate::shell::{Outcome, cargo, run as run_command};

pub fn run() -> Outcome {
    let mut command = cargo();
    command.args(["test", "--quiet", "--package", "tailora", "--features", "panic-injection", "--test", "notices"]);
    run_command(command.args(["--", "--exact", "writes_the_notices", "--ignored"]))
}
