//! The command line.

use crate::program::{Outcome, positive};
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
bench-gpu --models FOLDER [--device cuda:N] [--case TEXT].. [--steps N] [--results FILE] [--peer FILE] [--table]

  --models FOLDER  what `make_models.py FOLDER` made
  --device D       where ours runs (cuda:0)
  --case TEXT      only the cases whose names contain TEXT; may be given more than once
  --steps N        training steps that are timed, after three that are not (10)
  --results FILE   where each figure of ours is kept as soon as it is there; the table has those of earlier runs too
  --peer FILE      what `peer.py` printed
  --table          measure nothing: the table of the results that are there";

/// What to measure.
pub struct Options {
    /// Only print [`HELP`].
    pub help: bool,
    /// The folder with the models.
    pub models: PathBuf,
    /// `cuda:N`; `cpu` for a trial.
    pub device: String,
    /// Parts of the names of the cases to run; none for all.
    pub cases: Vec<String>,
    /// Timed steps of a training.
    pub steps: usize,
    /// Ours, a JSON object a line.
    pub results: Option<PathBuf>,
    /// The peer's, likewise.
    pub peer: Option<PathBuf>,
    /// Only print the table.
    pub table: bool,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Options {
            help: false,
            models: PathBuf::new(),
            device: "cuda:0".to_owned(),
            cases: Vec::new(),
            steps: 10,
            results: None,
            peer: None,
            table: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--help" | "-h" => options.help = true,
                "--models" => options.models = value()?.into(),
                "--device" => options.device = value()?.clone(),
                "--case" => options.cases.push(value()?.clone()),
                "--steps" => options.steps = positive(arg, value()?)?,
                "--results" => options.results = Some(value()?.into()),
                "--peer" => options.peer = Some(value()?.into()),
                "--table" => options.table = true,
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}").into()),
            }
        }
        if !options.help && !options.models.join("facts.json").is_file() {
            let models = options.models.display();
            return Err(format!("no models in `{models}`; benches/gpu/make_models.py makes them\n\n{HELP}").into());
        }
        Ok(options)
    }
}
