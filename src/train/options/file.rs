//! Options from a file.

use super::train_options::TrainOptions;
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::options::{from_value, read};
use serde_json::Value;
use std::path::Path;

const MAX_FILE: u64 = 1 << 20;

impl TrainOptions {
    /// Reads options from a file: `.json`, `.yaml` or `.yml`. A relative `output_dir` stays relative to the working directory.
    ///
    /// # Errors
    /// `Io`: unreadable. `InvalidOptions`: not JSON or YAML, unknown key, value outside its range; each names the file.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = read_text(path, MAX_FILE)?;
        let bad = |what: String| Error::new(Code::InvalidOptions, what);
        let extension = path.extension().and_then(|ext| ext.to_str()).map(str::to_ascii_lowercase);
        let value: Result<Value> = match extension.as_deref() {
            Some("json") => read(text.trim_start_matches('\u{feff}'), "the options"),
            Some("yaml" | "yml") => {
                serde_saphyr::from_str(&text).map_err(|err| bad(format!("not valid YAML: {}", err.to_string().trim())))
            }
            _ => Err(bad("the extension says neither JSON nor YAML; expected .json, .yaml or .yml".to_owned())),
        };
        value.and_then(from_value).map_err(|err: Error| err.in_file(path))
    }
}
