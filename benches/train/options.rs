//! The command line.

use crate::cases::THREADS;
use crate::models::Shape;
use crate::program::{Outcome, positive};

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask bench train [--small | --large] [--device cuda:N] [--batch N] [--rounds N] [--steps N] [--case TEXT] [--scaling]

  --small      a model of 4 small layers: a smoke run of some minutes; its ratios mean nothing
  --large      a model of Qwen2.5-1.5B's shape (3 GB on disk)
  --device D   cpu, or cuda:N with bf16 weights on both sides (cpu)
  --batch N    rows per step of both sides (4)
  --rounds N   how often ours and the peer are measured in turn (3)
  --steps N    optimizer steps that are timed in each measurement, after one that is not (2)
  --case TEXT  only the cases whose names contain TEXT, and no scaling part
  --scaling    only the scaling part: sequence lengths, rows, 1,000 steps

TAILORA_PYTHON names a Python with PyTorch and PEFT (tests/reference/requirements.txt).";

/// What to measure.
pub struct Options {
    /// Only print [`HELP`].
    pub help: bool,
    /// The model that is trained.
    pub shape: Shape,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Rows per step of both sides.
    pub batch: usize,
    /// Measurements of each case.
    pub rounds: usize,
    /// Timed steps of each measurement.
    pub steps: usize,
    /// Part of the names of the cases to run; empty for all.
    pub case: String,
    /// Whether only the scaling part is run.
    pub scaling: bool,
}

impl Options {
    /// Where both sides run, for the heading.
    pub fn place(&self) -> String {
        match self.device.as_str() {
            "cpu" => format!("{THREADS} threads"),
            device => format!("{device}, bf16 base"),
        }
    }

    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Options {
            help: false,
            shape: Shape::QWEN2_5_0_5B,
            device: "cpu".to_owned(),
            batch: 4,
            rounds: 3,
            steps: 2,
            case: String::new(),
            scaling: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--help" | "-h" => options.help = true,
                "--small" => options.shape = Shape::SMALL,
                "--large" => options.shape = Shape::QWEN2_5_1_5B,
                "--device" => options.device = value()?.clone(),
                "--batch" => options.batch = positive(arg, value()?)?,
                "--scaling" => options.scaling = true,
                "--rounds" => options.rounds = positive(arg, value()?)?,
                "--steps" => options.steps = positive(arg, value()?)?,
                "--case" => options.case = value()?.clone(),
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}").into()),
            }
        }
        Ok(options)
    }
}
