//! The shared library as it ships.

use crate::shell::{Outcome, cargo, run, target};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::PathBuf;

/// Builds the release library; the folder it lies in.
///
/// Only the cdylib: with `rlib` in the list of crate types cargo drops link-time optimisation without a word.
pub fn build() -> Outcome<PathBuf> {
    run(cargo().args(["rustc", "--package", "tailora", "--lib", "--release", "--crate-type", "cdylib"]))?;
    Ok(target().join("release"))
}

/// Its file name here: `libtailora.so`, `libtailora.dylib`, `tailora.dll`.
pub fn file_name() -> String {
    format!("{DLL_PREFIX}tailora{DLL_SUFFIX}")
}
