//! Every set of options that a function of this API takes, by its name.

use crate::adapter::AdapterOptions;
use crate::batch::BatchOptions;
use crate::dataset::DatasetOptions;
use crate::docx::DocxOptions;
use crate::error::{Code, Error, Result};
use crate::evaluate::EvaluateOptions;
use crate::generate::{GenerateOptions, ScoreOptions, SessionOptions};
use crate::language_model::ModelOptions;
use crate::options::{self, Options};
use crate::registry::PublishOptions;
use crate::report::ReportOptions;
use crate::tokenize::TokenizeOptions;
use crate::train::TrainOptions;
use serde_json::Value;
use std::path::Path;

/// A set of options.
pub(super) struct OptionSet {
    /// That of the functions that take it.
    name: &'static str,
    pub(super) schema: fn() -> Value,
    /// What a file says of them, checked.
    pub(super) given_in_file: fn(&Path) -> Result<Value>,
}

const fn of<T: Options>() -> OptionSet {
    OptionSet { name: T::NAME, schema: options::schema::<T>, given_in_file: options::given_in_file::<T> }
}

const SETS: &[OptionSet] = &[
    of::<ModelOptions>(),
    of::<AdapterOptions>(),
    of::<DatasetOptions>(),
    of::<TrainOptions>(),
    of::<EvaluateOptions>(),
    of::<SessionOptions>(),
    of::<GenerateOptions>(),
    of::<ScoreOptions>(),
    of::<ReportOptions>(),
    of::<TokenizeOptions>(),
    of::<BatchOptions>(),
    of::<PublishOptions>(),
    of::<DocxOptions>(),
];

/// The set of that name.
pub(super) fn find(name: &str) -> Result<&'static OptionSet> {
    SETS.iter().find(|set| set.name == name).ok_or_else(|| {
        let known: Vec<&str> = SETS.iter().map(|set| set.name).collect();
        let message = format!("there are no options `{name}`; there are {}", known.join(", "));
        Error::new(Code::InvalidArgument, message).with("argument", "name").with("known", known)
    })
}
