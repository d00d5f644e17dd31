//! Losses as `metrics.jsonl` has them, over all runs that wrote to it.

use crate::error::{IoContext, Result};
use crate::files::open_regular;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Points of a line; more are not seen.
const MAX_POINTS: usize = 2000;
/// Lines of a chart.
const MAX_LINES: usize = 24;

/// Steps and losses by kind: `train`, `validation`, `fold-1/validation` …
#[derive(Debug, Default)]
pub(super) struct Curves(BTreeMap<String, Curve>);

/// A curve that stays short: once it has too many points, every other goes, and of those to come as well.
#[derive(Debug, Default)]
struct Curve {
    points: Vec<(u64, f64)>,
    every: u64,
    seen: u64,
}

impl Curve {
    fn add(&mut self, step: u64, loss: f64) {
        // A later run, or one that was resumed before this step.
        self.points.retain(|point| point.0 < step);
        self.every = self.every.max(1);
        if self.seen.is_multiple_of(self.every) {
            self.points.push((step, loss));
        }
        self.seen += 1;
        if self.points.len() > MAX_POINTS {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every *= 2;
        }
    }
}

impl Curves {
    /// A file that is not there has no curves; lines that are damaged are left out.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut curves = Curves::default();
        if !path.exists() {
            return Ok(curves);
        }
        let mut reader = BufReader::new(open_regular(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).at("read", path)? == 0 {
                return Ok(curves);
            }
            curves.add(serde_json::from_slice(&line).unwrap_or_default());
        }
    }

    fn add(&mut self, line: Value) {
        let (Some(kind), Some(step), Some(loss)) =
            (line["kind"].as_str(), line["step"].as_u64(), line["loss"].as_f64())
        else {
            return;
        };
        if self.0.len() < MAX_LINES || self.0.contains_key(kind) {
            self.0.entry(kind.to_owned()).or_default().add(step, loss);
        }
    }

    /// Training and validation; what the folds validated beside them, thinner.
    pub(super) fn lines(&self) -> Vec<(&str, &[(u64, f64)])> {
        let shown = |kind: &&String| !kind.starts_with("fold-") || kind.ends_with("/validation");
        self.0.iter().filter(|(kind, _)| shown(kind)).map(|(kind, curve)| (kind.as_str(), &curve.points[..])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_takes_the_place_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let line = |kind: &str, step: u64, loss: f64| {
            serde_json::json!({"kind": kind, "step": step, "loss": loss}).to_string()
        };
        let lines = [
            line("train", 1, 9.0),
            line("train", 2, 8.0),
            line("train", 3, 7.0),
            "{damaged".to_owned(),
            line("train", 2, 3.0),
            line("validation", 2, 1.0),
            line("fold-1/train", 1, 1.0),
            line("fold-1/validation", 1, 2.0),
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let curves = Curves::read(&path).unwrap();
        let lines = curves.lines();
        assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), ["fold-1/validation", "train", "validation"]);
        assert_eq!(lines[1].1, [(1, 9.0), (2, 3.0)]);
        assert!(Curves::read(&dir.path().join("none")).unwrap().lines().is_empty());
    }

    #[test]
    fn long_curves_are_thinned() {
        let mut curve = Curve::default();
        (1..=50_000).for_each(|step| curve.add(step, 1.0));
        assert!(curve.points.len() <= MAX_POINTS && curve.points.len() > MAX_POINTS / 4);
        assert!(curve.points.last().unwrap().0 > 49_000);
    }
}
