//! The command line.

use crate::files::Weights;
use crate::program::{Outcome, positive};

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask bench reports [--small] [--rounds N] [--reports N] [--weights NAME]

  --small         a model of 4 small layers and 20 reports: a smoke run of a minute; its ratios mean nothing
  --rounds N      how often ours and the peer are measured in turn (3)
  --reports N     reports of a round (100)
  --weights NAME  q8_0, or bf16, or q4_k_m at the shape of 1.5B

TAILORA_LLAMA_CPP names a folder with llama.cpp's programs (`cargo xtask llama` makes one).";

/// What to measure.
pub struct Options {
    /// Only print [`HELP`].
    pub help: bool,
    /// Whether the model is a small one.
    pub small: bool,
    /// Measurements of each side.
    pub rounds: usize,
    /// Reports of a round.
    pub reports: usize,
    /// How the weights are stored.
    pub weights: Weights,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Outcome<Self> {
        let (mut help, mut small, mut rounds, mut reports, mut weights) = (false, false, 3, None, Weights::Q8_0);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--help" | "-h" => help = true,
                "--small" => small = true,
                "--rounds" => rounds = positive(arg, value()?)?,
                "--reports" => reports = Some(positive(arg, value()?)?),
                "--weights" => weights = named(value()?)?,
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}").into()),
            }
        }
        Ok(Options { help, small, rounds, reports: reports.unwrap_or(if small { 20 } else { 100 }), weights })
    }
}

fn named(name: &str) -> Outcome<Weights> {
    let names = || Weights::ALL.map(Weights::name).join(", ");
    let found = Weights::ALL.into_iter().find(|weights| weights.name() == name);
    Ok(found.ok_or_else(|| format!("--weights is `{name}`; expected one of {}", names()))?)
}
