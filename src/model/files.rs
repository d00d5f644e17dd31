//! Which files a model's path means: a Hugging Face directory or one GGUF file.

use super::folder::{entries, has_extension, name};
use super::gguf::{Gguf, split_front};
use super::recognise::{not_a_model_file, not_a_model_folder, refusal};
use super::weight_file::WeightFile;
use crate::error::{IoContext, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a model.
#[derive(Clone)]
pub(crate) enum ModelFiles {
    /// A directory with `config.json` and safetensors.
    Directory(PathBuf),
    /// A GGUF file, opened.
    Gguf(Arc<Gguf>),
}

impl ModelFiles {
    /// `path` is a directory with `config.json`, a GGUF file, or a directory with one GGUF file and no `config.json`.
    pub(crate) fn find(path: &Path) -> Result<Self> {
        if std::fs::metadata(path).at("open model", path)?.is_dir() {
            if path.join("config.json").exists() {
                return Ok(ModelFiles::Directory(path.to_path_buf()));
            }
            return match only_gguf(path)? {
                Some(file) => Ok(ModelFiles::Gguf(Arc::new(Gguf::open(&file)?))),
                None => Err(not_a_model_folder(path)?),
            };
        }
        let file = WeightFile::open(path)?;
        let beginning = file.read(0, file.len().min(16))?;
        if has_extension(path, "gguf") || Gguf::begins_with(&beginning) {
            return Ok(ModelFiles::Gguf(Arc::new(Gguf::open(path)?)));
        }
        Err(not_a_model_file(path, &beginning))
    }

    /// Where files beside the weights lie.
    pub(crate) fn directory(&self) -> &Path {
        match self {
            ModelFiles::Directory(dir) => dir,
            ModelFiles::Gguf(gguf) => gguf.path().parent().unwrap_or(Path::new("")),
        }
    }
}

fn only_gguf(dir: &Path) -> Result<Option<PathBuf>> {
    let mut found = entries(dir)?;
    found.retain(|path| has_extension(path, "gguf"));
    if let [first, _, ..] = found.as_slice()
        && let Some(front) = split_front(first, found.len() as u64)
        && found.iter().all(|path| split_front(path, found.len() as u64).as_ref() == Some(&front))
    {
        found.truncate(1);
    }
    if let [first, second, ..] = found.as_slice() {
        let why = format!("has no config.json and several GGUF files ({}, {}, …); name one", name(first), name(second));
        return Err(refusal(dir, &why));
    }
    Ok(found.pop())
}
