//! `metrics.jsonl`: one JSON object per line and event, for scripts that do not read TensorBoard files.

use crate::error::Result;
use crate::files::append::AppendFile;
use serde_json::Value;
use std::path::Path;

/// An open metrics file.
#[derive(Debug)]
pub(crate) struct MetricsWriter(AppendFile);

impl MetricsWriter {
    /// Opens `path` to append: a resumed run goes on in the same file.
    pub(crate) fn append(path: &Path) -> Result<Self> {
        AppendFile::open(path).map(MetricsWriter)
    }

    /// Adds a line. Numbers that JSON lacks (NaN, infinity) become null when the caller builds `line`.
    pub(crate) fn write(&mut self, line: &Value) -> Result<()> {
        self.0.add(format!("{line}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_appended_across_openings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for step in 0..3 {
            MetricsWriter::append(&path)
                .unwrap()
                .write(&json!({"step": step, "loss": f64::NAN, "text": "a\nb"}))
                .unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], json!({"step": 2, "loss": null, "text": "a\nb"}));
        let err = MetricsWriter::append(&dir.path().join("none/metrics.jsonl")).unwrap_err();
        assert!(err.message().contains("metrics.jsonl"), "{err}");
    }
}
