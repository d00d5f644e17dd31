//! The command line.

use crate::program::{Outcome, positive};

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask bench generate [--small] [--rounds N] [--case TEXT]

  --small      models of 4 small layers: a smoke run of a minute; its ratios mean nothing
  --rounds N   how often ours and the peer are measured in turn (3)
  --case TEXT  only the cases whose names contain TEXT

TAILORA_LLAMA_CPP names a folder with llama.cpp's programs (`cargo xtask llama` makes one).";

/// What to measure.
pub struct Options {
    /// Only print [`HELP`].
    pub help: bool,
    /// Whether the models are small ones.
    pub small: bool,
    /// Measurements of each case.
    pub rounds: usize,
    /// Part of the names of the cases to run; empty for all.
    pub case: String,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Options { help: false, small: false, rounds: 3, case: String::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--help" | "-h" => options.help = true,
                "--small" => options.small = true,
                "--rounds" => options.rounds = positive(arg, value()?)?,
                "--case" => options.case = value()?.clone(),
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}").into()),
            }
        }
        Ok(options)
    }
}
