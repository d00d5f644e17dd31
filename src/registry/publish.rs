//! Publishing: the folder of a version is built beside the others, synced, and renamed, so that it is there whole or not
//! at all, whoever else publishes at the same time and whoever is killed.

use super::options::PublishOptions;
use super::versions::{PUBLICATION, Publication};
use super::{PUBLISHING, Registry, VERSIONS, write_json};
use crate::adapter::{ADAPTER_FILES, Adapter, AdapterManifest, check_name, hash_lengths};
use crate::error::{Code, Error, Result};
use crate::files::lock::FileLock;
use crate::files::{is_there, sync_folder, temporary};
use crate::language_model::LanguageModel;
use crate::options::Options;
use jiff::Zoned;
use std::path::Path;

impl Registry {
    /// Adds a version and says what it is called. The same adapter under the same name again, on the same day or with the
    /// version that its training gave it, is the version that is there: a call that was killed can be repeated.
    ///
    /// # Errors
    /// `InvalidOptions`: a name that is none. `InvalidArgument`: the version is there with another `extra`. `Io`, `Busy`.
    pub fn publish(&self, adapter: &Adapter, options: &PublishOptions) -> Result<Publication> {
        options.validate()?;
        let name = options.name.as_deref().unwrap_or(adapter.name());
        check_name("name", name)?;
        let versions = self.folder(VERSIONS)?;
        self.sweep(&versions)?;
        let _publishing = FileLock::shared(&self.path.join(PUBLISHING))?;
        let now = Zoned::now();
        // Four digits of the hash tell versions of a day apart; more of them where four do not.
        for digits in hash_lengths() {
            let versioned = versioned(name, adapter, &now, digits);
            let publication = Publication::of(&versioned, options, &now);
            let path = versions.join(&publication.version);
            if !is_there(&path)? && build(&versions, &path, &versioned, &publication)? {
                return Ok(publication);
            }
            let there = self.version(&publication.version)?;
            if there.adapter_sha256 != publication.adapter_sha256 {
                continue;
            }
            if there.extra == publication.extra {
                return Ok(there);
            }
            let message = format!(
                "the version {} is published already, with another `extra`; versions never change: publish under another name",
                there.version
            );
            return Err(Error::new(Code::InvalidArgument, message).with("version", there.version).with_path(&path));
        }
        Err(Error::new(Code::Internal, format!("no hash tells the adapter {name} from the versions that are there")))
    }

    /// Publishes the adapter in a PEFT folder, which must fit the model.
    ///
    /// # Errors
    /// As [`LanguageModel::load_adapter`] and [`Registry::publish`].
    pub fn publish_folder(&self, model: &LanguageModel, dir: &Path, options: &PublishOptions) -> Result<Publication> {
        self.publish(&model.load_adapter(dir, &Default::default())?, options)
    }

    /// Removes what killed processes left half-written. While others publish, it waits for another time.
    fn sweep(&self, versions: &Path) -> Result<()> {
        if let Some(_alone) = FileLock::try_exclusive(&self.path.join(PUBLISHING))? {
            let known: Vec<&str> = ADAPTER_FILES.into_iter().chain([PUBLICATION]).collect();
            let swept = temporary::sweep(versions, &known);
            if swept > 0 {
                tracing::info!(swept, folder = %versions.display(), "removed what killed processes left half-written");
            }
        }
        Ok(())
    }
}

/// The adapter with the name and version that it is published under.
fn versioned(name: &str, adapter: &Adapter, now: &Zoned, digits: usize) -> Adapter {
    let manifest = adapter.manifest();
    // A version that its training gave it stays, with as many digits as are needed.
    let given = manifest.version.as_deref().and_then(|version| version.rsplit_once('-'));
    let given = given.filter(|(_, hash)| hash.len() >= 4 && adapter.sha256().starts_with(hash));
    let version = match given {
        Some((rest, hash)) => format!("{rest}-{}", &adapter.sha256()[..digits.max(hash.len())]),
        None => adapter.version_of(now, manifest.rows, digits),
    };
    let created = manifest.created.clone().or_else(|| Some(now.timestamp().to_string()));
    let manifest = AdapterManifest { name: Some(name.to_owned()), version: Some(version), created, ..manifest.clone() };
    adapter.with_manifest(name, manifest)
}

/// Whether the version could be put in its place; if not, another process did so first.
fn build(versions: &Path, path: &Path, adapter: &Adapter, publication: &Publication) -> Result<bool> {
    let folder = temporary::Folder::new_in(versions)?;
    adapter.save(folder.path())?;
    write_json(&folder.path().join(PUBLICATION), publication)?;
    match folder.persist(path) {
        Err(_) if is_there(path)? => return Ok(false),
        renamed => renamed?,
    }
    sync_folder(versions)?;
    Ok(true)
}
