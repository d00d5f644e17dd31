//! Which files a model's path means: a Hugging Face directory or one GGUF file.

use super::gguf::Gguf;
use crate::error::{Code, Error, IoContext, Result};
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
            return match only_gguf(path)? {
                Some(file) => Ok(ModelFiles::Gguf(Arc::new(Gguf::open(&file)?))),
                None => Ok(ModelFiles::Directory(path.to_path_buf())),
            };
        }
        if has_gguf_name(path) || Gguf::is_one(path) {
            return Ok(ModelFiles::Gguf(Arc::new(Gguf::open(path)?)));
        }
        Err(refusal(path, "is neither a directory of model files nor a GGUF file"))
    }

    /// Where files beside the weights lie.
    pub(crate) fn directory(&self) -> &Path {
        match self {
            ModelFiles::Directory(dir) => dir,
            ModelFiles::Gguf(gguf) => gguf.path().parent().unwrap_or(Path::new("")),
        }
    }
}

fn has_gguf_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

fn only_gguf(dir: &Path) -> Result<Option<PathBuf>> {
    if dir.join("config.json").exists() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        found.push(entry.at("list", dir)?.path());
    }
    found.retain(|path| has_gguf_name(path));
    found.sort();
    if let [first, second, ..] = found.as_slice() {
        let why = format!("has no config.json and several GGUF files ({}, {}, …); name one", name(first), name(second));
        return Err(refusal(dir, &why));
    }
    Ok(found.pop())
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn refusal(path: &Path, why: &str) -> Error {
    Error::new(Code::ModelFormat, format!("{} {why}", path.display())).with("path", path.display().to_string())
}
