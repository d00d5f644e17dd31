//! `cargo xtask deny`: cargo-deny over `deny.toml`. Licences and unwanted crates are also held by
//! `tests/dependencies.rs`, which needs nothing installed; advisories need cargo-deny and its database.

use crate::shell::{Outcome, cargo, find, run as run_command};

pub fn run(args: &[String]) -> Outcome {
    if find("cargo-deny").is_none() {
        return Err("cargo-deny is not installed; run `cargo install --locked cargo-deny` (some minutes)".to_owned());
    }
    run_command(cargo().args(["deny", "check"]).args(args))
}
