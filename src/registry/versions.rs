//! The published versions: what each is, whose rows are in it, and loading one.

use super::options::PublishOptions;
use super::{Registry, VERSIONS, read_json};
use crate::adapter::{Adapter, AdapterManifest, is_plain};
use crate::dataset::clean_id;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::is_there;
use crate::language_model::LanguageModel;
use jiff::Zoned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

pub(super) const PUBLICATION: &str = "publication.json";
const SCHEMA: &str = "tailora.publication/1";

/// A published version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    pub(super) schema: String,
    /// Name of the version, as in `hr_review-20261123-n842-r16-3f9c`.
    pub version: String,
    /// When it was published, RFC 3339.
    pub published: String,
    /// When the adapter was trained or merged, RFC 3339.
    pub created: Option<String>,
    /// Rows that it was trained on, where they are known.
    pub rows: Option<usize>,
    /// Rank.
    pub r: usize,
    /// Name of the base model.
    pub base: String,
    /// SHA-256 of the base model's weights, hex.
    pub base_sha256: Option<String>,
    /// SHA-256 of the adapter's tensors, hex.
    pub adapter_sha256: String,
    /// What the host kept with it.
    pub extra: Map<String, Value>,
}

impl Publication {
    pub(super) fn of(adapter: &Adapter, options: &PublishOptions, now: &Zoned) -> Self {
        let manifest = adapter.manifest();
        Publication {
            schema: SCHEMA.to_owned(),
            version: format!("{}-{}", adapter.name(), adapter.version()),
            published: now.timestamp().to_string(),
            created: manifest.created.clone(),
            rows: manifest.rows,
            r: adapter.config().r,
            base: manifest.base.name.clone(),
            base_sha256: manifest.base.sha256.clone(),
            adapter_sha256: adapter.sha256().to_owned(),
            extra: options.extra.clone(),
        }
    }
}

impl Registry {
    /// All versions, in the order in which they were published.
    pub fn list(&self) -> Result<Vec<Publication>> {
        let folder = self.path.join(VERSIONS);
        if !is_there(&folder)? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).at("read", &folder)? {
            let name = entry.at("read", &folder)?.file_name();
            // What is being built has a name that begins with a dot.
            if let Some(name) = name.to_str().filter(|name| is_plain(name))
                && is_there(&folder.join(name).join(PUBLICATION))?
            {
                found.push(self.version(name)?);
            }
        }
        found.sort_by(|a, b| a.published.cmp(&b.published).then_with(|| a.version.cmp(&b.version)));
        Ok(found)
    }

    /// The version of this name.
    ///
    /// # Errors
    /// `InvalidArgument`: there is none. `Io`: its files are damaged.
    pub fn version(&self, version: &str) -> Result<Publication> {
        let path = self.version_path(version)?;
        let publication: Publication =
            read_json(&path.join(PUBLICATION), SCHEMA, |publication: &Publication| &publication.schema)?;
        if publication.version == version {
            return Ok(publication);
        }
        let message =
            format!("{} says that it is {}; it was copied or renamed by hand", path.display(), publication.version);
        Err(Error::new(Code::Io, message).with_path(&path))
    }

    /// The folder of a version, in PEFT's format.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such version.
    pub fn version_path(&self, version: &str) -> Result<PathBuf> {
        let path = self.path.join(VERSIONS).join(version);
        if is_plain(version) && is_there(&path.join(PUBLICATION))? {
            return Ok(path);
        }
        let message =
            format!("the registry {} has no version `{version}`; see its list of versions", self.path.display());
        Err(Error::new(Code::InvalidArgument, message).with("version", version).with_path(&self.path))
    }

    /// Loads what an alias stands for, or a version.
    ///
    /// # Errors
    /// `AdapterMismatch`: it belongs to another base, and both are named. `AdapterFormat`: its files are not what was
    /// published. `InvalidArgument` as [`Registry::resolve`].
    pub fn load(&self, model: &LanguageModel, alias_or_version: &str) -> Result<Adapter> {
        let publication = self.resolve(alias_or_version)?;
        let path = self.version_path(&publication.version)?;
        let adapter = model.load_adapter(&path, &Default::default())?;
        if adapter.sha256() == publication.adapter_sha256 {
            return Ok(adapter);
        }
        let message = format!(
            "the tensors in {} have the sha256 {}, but {} was published; versions never change: publish it again under \
             another name",
            path.display(),
            adapter.sha256(),
            publication.adapter_sha256
        );
        Err(Error::new(Code::AdapterFormat, message).with_path(&path))
    }

    /// Whether a person's rows are in a version.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such version, or nobody knows, since it was trained without an `id_column`.
    pub fn contains(&self, version: &str, id: &str) -> Result<bool> {
        let path = self.version_path(version)?;
        match AdapterManifest::read(&path)?.and_then(|manifest| manifest.trained_ids) {
            Some(ids) => Ok(ids.contains(&clean_id(id))),
            None => {
                let message = format!(
                    "whose rows are in {version} is not known, since a dataset that it was trained on had no `id_column`"
                );
                Err(Error::new(Code::InvalidArgument, message).with("version", version).with_path(&path))
            }
        }
    }
}
