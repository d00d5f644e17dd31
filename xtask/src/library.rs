//! The shared library as it ships.

use crate::shell::{Outcome, cargo, root, run, target};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

/// Builds the release library; the folder it lies in.
///
/// Only the cdylib: with `rlib` in the list of crate types cargo drops link-time optimisation without a word.
pub fn build() -> Outcome<PathBuf> {
    run(cargo().args(["rustc", "--package", "tailora", "--lib", "--release", "--crate-type", "cdylib"]))?;
    Ok(target().join("release"))
}

/// Its file name as cargo writes it: `libtailora.so`, `libtailora.dylib`, `tailora.dll`.
pub fn file_name() -> String {
    format!("{DLL_PREFIX}tailora{DLL_SUFFIX}")
}

/// Copies it into `folder` under the name that programs linked to it ask for: on Unix that has the ABI's major version.
pub fn install(from: &Path, folder: &Path) -> Outcome {
    let major = abi_major()?;
    let name = match std::env::consts::OS {
        "windows" => file_name(),
        "macos" => format!("libtailora.{major}.dylib"),
        _ => format!("libtailora.so.{major}"),
    };
    // The old one may be mapped by a running program: replace the file, do not write into it.
    let to = folder.join(name);
    let _ = std::fs::remove_file(&to);
    std::fs::copy(from.join(file_name()), &to).map(drop).map_err(|err| format!("cannot write {}: {err}", to.display()))
}

/// `TAILORA_ABI_MAJOR` of the committed header.
fn abi_major() -> Outcome<u32> {
    let path = root().join("include").join("tailora.h");
    let header = std::fs::read_to_string(&path).map_err(|err| format!("cannot read {}: {err}", path.display()))?;
    let value = header.lines().find_map(|line| line.strip_prefix("#define TAILORA_ABI_MAJOR "));
    value
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| "include/tailora.h defines no TAILORA_ABI_MAJOR".into())
}
