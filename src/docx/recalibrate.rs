//! An adapter's confidences by what reviewers left of its conclusions.

use super::labels::Label;
use super::review::{Review, ReviewedCase};
use crate::adapter::calibration::Reliability;
use crate::adapter::{Adapter, AdapterManifest};
use crate::conclusions::{Recalibrated, Reviewed, recalibrate as by_reviews};
use crate::error::{Code, Error, Result};
use jiff::Zoned;
use serde::Serialize;
use serde_json::{Value, json};

/// What reviews said of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReviewSummary {
    /// Reports of the adapter on which somebody decided.
    pub cases: usize,
    /// Their conclusions.
    pub conclusions: usize,
    /// Those that were left as they were.
    pub kept: usize,
    /// Reports with changes on which nobody decided; they do not count.
    pub undecided: usize,
    /// Reports that something else wrote: another adapter or version, several, another scale, a schema. They do not count.
    pub of_others: usize,
    /// Calibration error, Brier score and AUC of the confidences that the reports gave.
    pub before: Value,
    /// The same of the new ones, each by a calibration that its report did not go into.
    pub after: Value,
    /// The version of the new adapter.
    pub version: String,
}

/// The same adapter with confidences that mean the share of conclusions that reviewers leave as they were, as a new version.
/// What was learnt on the training rows stays, and a few reviews change little.
///
/// # Errors
/// `Code::InvalidArgument`: no report of this adapter, on which somebody decided, is among the reviews.
pub fn recalibrate(adapter: &Adapter, reviews: &[Review]) -> Result<(Adapter, ReviewSummary)> {
    let manifest = adapter.manifest();
    let (ours, others): (Vec<&ReviewedCase>, Vec<&ReviewedCase>) =
        reviews.iter().flat_map(|review| &review.cases).partition(|case| is_of(adapter, &case.report));
    let (decided, undecided): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|case| case.pending == 0 && case.output.is_some());
    let kinds: &[&str] = if manifest.calibration.is_some() { &["calibrated", "band"] } else { &["uncalibrated"] };
    let of_case = |(index, case): (usize, &&ReviewedCase)| {
        let told = case.conclusions.iter().filter(|conclusion| kinds.contains(&conclusion.confidence_kind.as_str()));
        told.map(|conclusion| {
            let kept = conclusion.label == Label::Kept;
            Reviewed { case: index, confidence: conclusion.confidence, kept }
        })
        .collect::<Vec<_>>()
    };
    let reviewed: Vec<Reviewed> = decided.iter().enumerate().flat_map(of_case).collect();
    let Some(Recalibrated { calibration, before }) = by_reviews(manifest.calibration.as_ref(), &reviewed) else {
        let message = format!(
            "the files have no conclusion of the adapter {} {} on which somebody decided ({} reports have changes that are neither \
             accepted nor rejected, {} are not of this adapter alone); expected its reports, reviewed",
            adapter.name(),
            adapter.version(),
            undecided.len(),
            others.len()
        );
        let error = Error::new(Code::InvalidArgument, message);
        return Err(error.with("undecided", undecided.len()).with("of_others", others.len()));
    };
    let version = version_of(adapter, calibration.conclusions);
    let summary = ReviewSummary {
        cases: decided.len(),
        conclusions: reviewed.len(),
        kept: reviewed.iter().filter(|one| one.kept).count(),
        undecided: undecided.len(),
        of_others: others.len(),
        before: figures(&before),
        after: figures(&calibration.reliability),
        version: version.clone(),
    };
    let manifest = AdapterManifest { version: Some(version), calibration: Some(calibration), ..manifest.clone() };
    Ok((adapter.with_manifest(adapter.name(), manifest), summary))
}

/// Whether a report was written by this adapter alone, at scale 1, on its base, as plain text: what a calibration is about.
fn is_of(adapter: &Adapter, report: &Value) -> bool {
    let Some([only]) = report["adapters"].as_array().map(Vec::as_slice) else { return false };
    only["version"] == adapter.version()
        && only["scale"] == 1.0
        && report["model"]["sha256"].as_str() == adapter.manifest().base.sha256.as_deref()
        && report["document"].is_null()
}

/// As an adapter's version is called that has another calibration: with the day, and the number of its conclusions before the hash.
fn version_of(adapter: &Adapter, conclusions: usize) -> String {
    let made = adapter.version_of(&Zoned::now(), adapter.manifest().rows, 4);
    match made.rsplit_once('-') {
        Some((rest, hash)) => format!("{rest}-c{conclusions}-{hash}"),
        None => made,
    }
}

fn figures(reliability: &Reliability) -> Value {
    json!({ "ece": reliability.ece, "brier": reliability.brier, "auc": reliability.auc })
}
