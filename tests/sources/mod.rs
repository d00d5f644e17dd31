//! The crate's own source files, as tests that read them need them.

use std::path::{Path, PathBuf};

/// One file under `src/`.
pub struct Source {
    /// As a person names it: `src/model/lora.rs`.
    pub name: String,
    /// Its module path: `["model", "lora"]`; empty for `lib.rs`.
    pub module: Vec<String>,
    pub text: String,
}

/// Every Rust file under `src/`, in a stable order.
pub fn all() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    paths.sort();
    paths.iter().map(|path| read(&src, path)).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

fn read(src: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(src).unwrap().with_extension("");
    let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let name = format!("src/{}.rs", module.join("/"));
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    Source { name, module, text: std::fs::read_to_string(path).unwrap() }
}
