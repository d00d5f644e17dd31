//! Figures as they are kept: a JSON object a line, each with a name.

use crate::program::Outcome;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The figures of one side.
pub struct Results {
    path: Option<PathBuf>,
    all: Vec<Value>,
}

impl Results {
    /// Those of a file, if there is one.
    pub fn open(path: Option<&Path>) -> Outcome<Self> {
        let text = match path.map(std::fs::read_to_string) {
            Some(Ok(text)) => text,
            Some(Err(err)) if err.kind() != std::io::ErrorKind::NotFound => return Err(err.into()),
            _ => String::new(),
        };
        // Other lines are what libraries print; a last one may have been cut off.
        let all = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Results { path: path.map(Path::to_owned), all })
    }

    /// Keeps figures, in the file too.
    pub fn add(&mut self, figures: Value) -> Outcome {
        if let Some(path) = &self.path {
            writeln!(OpenOptions::new().create(true).append(true).open(path)?, "{figures}")?;
        }
        self.all.push(figures);
        Ok(())
    }

    /// The latest under a name.
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.all.iter().rev().find(|figures| figures["name"] == name)
    }

    /// The fastest of those whose names begin so.
    pub fn fastest(&self, beginning: &str) -> Option<&Value> {
        let speed = |figures: &Value| figures["tokens_per_second"].as_f64().unwrap_or(0.0);
        let fits = |figures: &&Value| figures["name"].as_str().is_some_and(|name| name.starts_with(beginning));
        self.all.iter().filter(fits).max_by(|a, b| speed(a).total_cmp(&speed(b)))
    }
}
