//! The command line.

use crate::program::{Outcome, positive};
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask bench trust [--case TEXT] [--seed N] [--reports N] [--stability N] [--rows N] [--train JSON] [--dataset JSON] [--model DIR] [--dump FILE]

  --case TEXT    only the cases whose names contain TEXT: sample, english long, english short
  --seed N       of the held-out employees, and of the English rows (1)
  --reports N    held-out employees of each case (200)
  --stability N  of them, those that are reported on again with fields shuffled and role prompts reworded (40)
  --rows N       rows of the English cases (240)
  --train JSON   options of training that stand instead of the case's, as in {\"num_train_epochs\": 20}
  --dataset JSON the same of the dataset, as in {\"system_variants\": []}
  --model DIR    another base model than samples/models/tailora-tiny
  --dump FILE    a line of JSON for each conclusion";

pub struct Options {
    /// Only print [`HELP`].
    pub help: bool,
    pub case: String,
    pub seed: u64,
    pub reports: usize,
    pub stability: usize,
    pub rows: usize,
    pub train: serde_json::Map<String, serde_json::Value>,
    pub dataset: serde_json::Map<String, serde_json::Value>,
    pub model: PathBuf,
    pub dump: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Outcome<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            help: false,
            case: String::new(),
            seed: 1,
            reports: 200,
            stability: 40,
            rows: 240,
            train: serde_json::Map::new(),
            dataset: serde_json::Map::new(),
            model: root.join("samples/models/tailora-tiny"),
            dump: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--help" | "-h" => options.help = true,
                "--case" => options.case = value()?.clone(),
                "--seed" => options.seed = value()?.parse()?,
                "--reports" => options.reports = positive(arg, value()?)?,
                "--stability" => options.stability = value()?.parse()?,
                "--rows" => options.rows = positive(arg, value()?)?,
                "--train" => options.train = serde_json::from_str(value()?)?,
                "--dataset" => options.dataset = serde_json::from_str(value()?)?,
                "--model" => options.model = value()?.into(),
                "--dump" => options.dump = Some(value()?.into()),
                other => return Err(format!("unknown argument `{other}`\n\n{HELP}").into()),
            }
        }
        Ok(options)
    }
}
