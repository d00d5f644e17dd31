//! A GGUF file: header, metadata and tensors.

use super::models;
use std::path::Path;

pub(super) fn run(bytes: &[u8]) {
    models::load(|dir: &Path| {
        let path = dir.join("model.gguf");
        std::fs::write(&path, bytes)?;
        Ok(path)
    });
}
