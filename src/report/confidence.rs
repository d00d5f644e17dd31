//! From the model's signals to the confidence that a report says, and what kind of number that is.

use super::{ReportMode, rounded};
use crate::adapter::calibration::{Calibration, Signals};
use crate::error::Result;
use crate::generate::Session;
use serde_json::{Value, json};

/// How confidences are made for the adapters of a session.
pub(super) struct Confidences(Option<Calibration>);

impl Confidences {
    /// A calibration is of one adapter as it was trained, on its base, writing plain text: anything else says other things.
    pub(super) fn of(session: &Session, mode: ReportMode) -> Result<Self> {
        let [only] = session.attached() else { return Ok(Confidences(None)) };
        let manifest = only.adapter.manifest();
        let own_base = manifest.base.sha256.as_deref() == Some(session.model().sha256()?);
        let applies = mode == ReportMode::Text && only.scale == 1.0 && own_base;
        Ok(Confidences(manifest.calibration.clone().filter(|_| applies)))
    }

    /// Says a conclusion's confidence in its JSON.
    pub(super) fn put(&self, signals: Signals, conclusion: &mut Value) {
        let calibrated = self.0.as_ref().map(|calibration| (calibration, calibration.confidence(signals)));
        let (confidence, kind) = match calibrated {
            None => (signals.probability(), "uncalibrated"),
            Some((calibration, confidence)) if calibration.is_enough() => (confidence, "calibrated"),
            Some((calibration, confidence)) => {
                let band = calibration.band(confidence);
                conclusion["band"] =
                    band.map(|band| json!({ "name": band.name, "interval": band.interval.map(rounded) })).into();
                (band.map_or(confidence, |band| band.share), "band")
            }
        };
        conclusion["confidence"] = rounded(confidence).into();
        conclusion["confidence_kind"] = kind.into();
    }
}
