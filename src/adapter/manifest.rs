//! `tailora.json`: what PEFT's files have no place for, beside them, so that they stay PEFT's.

use super::base::AdapterBase;
use super::calibration::Calibration;
use super::learnt::LearntRows;
use super::trained_ids::TrainedIds;
use crate::error::{Code, Error, Result};
use crate::files::read_text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The manifest's file name.
pub(crate) const FILE_NAME: &str = "tailora.json";
const SCHEMA: &str = "tailora.adapter/1";
/// Most of it are hashes of ids, one a row.
const MAX_SIZE: u64 = 64 << 20;

/// Where an adapter comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AdapterManifest {
    /// `tailora.adapter/1`.
    pub(crate) schema: String,
    /// As in `hr_review`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// As in `20261123-n842-r16-3f9c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// When it was trained or merged, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    /// Rows it was trained on, validation rows included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<usize>,
    /// The base it belongs to.
    pub(crate) base: BaseIdentity,
    /// SHA-256 of the CSV it was trained on, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) csv_sha256: Option<String>,
    /// Whose rows it was trained on, where the dataset had an `id_column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trained_ids: Option<TrainedIds>,
    /// How the run went: steps, losses, seed.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) metrics: Map<String, Value>,
    /// How far its conclusions can be relied on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calibration: Option<Calibration>,
    /// What its training rows had in common.
    #[serde(skip_serializing_if = "LearntRows::is_empty")]
    pub(crate) learnt: LearntRows,
    /// Name, version and scale of each part of a merged adapter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) merged_from: Vec<Value>,
}

/// A base model by name and by the hash of its weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BaseIdentity {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl Default for AdapterManifest {
    fn default() -> Self {
        AdapterManifest {
            schema: SCHEMA.to_owned(),
            name: None,
            version: None,
            created: None,
            rows: None,
            base: BaseIdentity::default(),
            csv_sha256: None,
            trained_ids: None,
            metrics: Map::new(),
            calibration: None,
            learnt: LearntRows::default(),
            merged_from: Vec::new(),
        }
    }
}

impl AdapterManifest {
    /// A manifest that only says whose adapter it is.
    pub(crate) fn of(base: &AdapterBase) -> Self {
        let base = BaseIdentity { name: base.name.clone(), sha256: base.sha256.clone() };
        AdapterManifest { base, ..Default::default() }
    }

    /// What hosts are shown: of the ids, how many there are.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!(self);
        if let Some(ids) = &self.trained_ids {
            shown["trained_ids"] = json!({ "ids": ids.len() });
        }
        shown
    }

    /// Reads the manifest of a folder; an adapter made elsewhere has none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path, MAX_SIZE)?;
        let damaged = |what: String| Error::new(Code::AdapterFormat, what).in_file(&path);
        // As an object first: a list of its values in their order would do for serde.
        let object = serde_json::from_str::<Map<_, _>>(&text).map(Value::Object);
        let manifest = object.and_then(serde_json::from_value::<Self>);
        let manifest = manifest.map_err(|err| damaged(format!("not a manifest: {err}")))?;
        if manifest.schema != SCHEMA {
            return Err(damaged(format!("has schema `{}`; expected `{SCHEMA}`", manifest.schema)));
        }
        let checked = manifest.calibration.as_ref().map_or(Ok(()), Calibration::check);
        checked.and_then(|()| manifest.learnt.check()).map_err(|err| err.in_file(&path))?;
        Ok(Some(manifest))
    }

    /// Refuses an adapter that was made for other weights, naming both; a note if that is allowed.
    pub(crate) fn check_base(&self, dir: &Path, base: &AdapterBase, allow_mismatch: bool) -> Result<Option<String>> {
        let (Some(wanted), Some(loaded)) = (&self.base.sha256, &base.sha256) else { return Ok(None) };
        if wanted.eq_ignore_ascii_case(loaded) {
            return Ok(None);
        }
        let what = format!(
            "was trained on the base model {} (sha256 {wanted}), but {} (sha256 {loaded}) is loaded",
            self.base.name, base.name
        );
        if allow_mismatch {
            return Ok(Some(format!("the adapter {what}")));
        }
        let message = format!(
            "the adapter in {} {what}; load the adapter's own base, or set `allow_base_mismatch` if these are the same weights in \
             another form",
            dir.display()
        );
        Err(Error::new(Code::AdapterMismatch, message)
            .with_path(dir)
            .with("adapter_base_sha256", wanted)
            .with("loaded_base_sha256", loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_manifest_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
            AdapterManifest::read(dir.path())
        };
        for (text, part) in [
            ("[]", "expected a map"),
            (r#"["tailora.adapter/1", "name"]"#, "expected a map"),
            ("x", "not a manifest"),
            (r#"{"rows": -1}"#, "not a manifest"),
            (r#"{"schema": "tailora.adapter/2"}"#, "expected `tailora.adapter/1`"),
        ] {
            let err = read(text).unwrap_err();
            assert!(err.code() == Code::AdapterFormat && err.message().contains(part), "{text}: {err}");
        }
        assert_eq!(read("\u{feff}{\"rows\": 3}\r\n").unwrap().unwrap().rows, Some(3));
    }
}
