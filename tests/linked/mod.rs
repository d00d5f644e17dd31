//! The packages that end up in the library, as `cargo metadata` has them.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Package {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub licence: String,
    pub repository: String,
    /// Where its files are.
    pub folder: PathBuf,
}

/// What the library is linked from, this package itself included, for some platforms or, without any, for every one.
/// Build scripts, procedural macros with their dependencies, and dev-dependencies are not linked.
pub fn packages(platforms: &[&str]) -> Vec<Package> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    command.args(platforms.iter().flat_map(|platform| ["--filter-platform", platform]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();

    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        let entries = list.as_array().unwrap().iter();
        entries.map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry.clone())).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let mut queue = vec![metadata["resolve"]["root"].as_str().unwrap()];
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if is_macro(&packages[id]) || !seen.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            if dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null()) {
                queue.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    seen.into_iter().map(|id| package(&packages[id])).collect()
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().unwrap();
    targets.iter().any(|target| target["kind"].as_array().unwrap().iter().any(|kind| kind == "proc-macro"))
}

fn package(entry: &Value) -> Package {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let folder = Path::new(entry["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
    let [name, version, licence, repository] = ["name", "version", "license", "repository"].map(text);
    Package { name, version, licence, repository, folder }
}
