//! Options JSON of every kind, valid UTF-8 only: the C ABI refuses the rest before it is parsed.

use super::check;
use crate::dataset::DatasetOptions;
use crate::evaluate::EvaluateOptions;
use crate::generate::{GenerateOptions, SessionOptions};
use crate::language_model::ModelOptions;
use crate::options::parse;
use crate::report::ReportOptions;
use crate::train::TrainOptions;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check(parse::<ModelOptions>(Some(text)));
    check(parse::<DatasetOptions>(Some(text)));
    check(parse::<SessionOptions>(Some(text)));
    check(parse::<GenerateOptions>(Some(text)));
    check(parse::<TrainOptions>(Some(text)));
    check(parse::<EvaluateOptions>(Some(text)));
    check(parse::<ReportOptions>(Some(text)));
}
