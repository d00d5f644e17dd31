//! `THIRD-PARTY-NOTICES.txt`, which is in the native packages: whose code the library contains, and under which licences.
//! `cargo xtask notices` writes it out of the crates' own files, for the platforms that there are packages for.

mod linked;

use linked::Package;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/THIRD-PARTY-NOTICES.txt");
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];

/// What compilers link, which is no crate.
const RUNTIMES: &str = include_str!("notices/runtimes.txt");

const INTRODUCTION: &str = "\
Tailora's native library contains software of others, which is listed here with the licences that it is under. Where a
licence is one of several, the notices of one are given. Tailora itself is under the licence in the file LICENSE.
";

/// Names of files that hold licences and notices begin so, in any case.
const BEGINNINGS: [&str; 6] = ["license", "licence", "copying", "unlicense", "notice", "copyright"];

/// Says of a text that it is the MIT licence.
const MIT: &str = "Permission is hereby granted, free of charge";

fn notices() -> String {
    let packages: Vec<Package> = linked::packages(&PLATFORMS).into_iter().filter(|one| one.name != "tailora").collect();
    // Crates of one project share a text; the texts are in the order of their first crates.
    let mut under: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
    for package in &packages {
        for text in texts(package, &packages) {
            under.entry(text).or_default().push(package);
        }
    }
    let mut blocks: Vec<(Vec<String>, String)> = Vec::new();
    for (text, crates) in under {
        let mut lines: Vec<String> = crates.into_iter().map(line).collect();
        lines.sort();
        lines.dedup();
        blocks.push((lines, text));
    }
    blocks.sort();
    let rule = "-".repeat(80);
    let block = |(lines, text): (Vec<String>, String)| format!("{rule}\n{}\n\n{text}\n\n", lines.join("\n"));
    format!("{INTRODUCTION}\n{RUNTIMES}\n{}", blocks.into_iter().map(block).collect::<String>()).trim_end().to_owned()
        + "\n"
}

fn line(package: &Package) -> String {
    let Package { name, version, licence, repository, .. } = package;
    format!("{name} {version}, {licence}, {repository}")
}

/// The texts that a package's licence asks to be passed on. Some crates leave them in their repository, where another
/// crate of it has them.
fn texts(package: &Package, all: &[Package]) -> Vec<String> {
    let own = files(&package.folder);
    let others = || all.iter().filter(|other| other.repository == package.repository).map(|other| files(&other.folder));
    let found = if own.is_empty() { others().find(|files| !files.is_empty()) } else { Some(own) };
    let found = found.unwrap_or_else(|| panic!("{} {} has no licence text", package.name, package.version));
    let alternatives = package.licence.replace('/', " OR ");
    let may_be_mit = alternatives.split(" OR ").any(|licence| licence.trim() == "MIT");
    let is_notice = |path: &Path| name_of(path).starts_with("notice");
    let mit = found.iter().any(|(path, text)| !is_notice(path) && text.contains(MIT));
    let wanted = |(path, text): &(PathBuf, String)| !(may_be_mit && mit) || text.contains(MIT) || is_notice(path);
    found.into_iter().filter(wanted).map(|(_, text)| text).collect()
}

/// The texts of licences and notices in a folder, without differences that nobody sees.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| BEGINNINGS.iter().any(|beginning| name_of(path).starts_with(beginning));
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.is_file() && named(path)).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), tidy(&std::fs::read_to_string(path).unwrap()))).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().to_lowercase()
}

fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[test]
fn the_committed_notices_are_those_of_what_is_linked() {
    let committed = std::fs::read_to_string(FILE).unwrap_or_default().replace("\r\n", "\n");
    let fresh = notices();
    let of = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (old, new) = (of(&committed), of(&fresh));
    let (gone, added): (Vec<_>, Vec<_>) = (old.difference(&new).collect(), new.difference(&old).collect());
    assert!(committed == fresh, "run `cargo xtask notices`: no longer {gone:#?}, new {added:#?}");
}

#[test]
#[ignore = "writes THIRD-PARTY-NOTICES.txt: `cargo xtask notices`"]
fn writes_the_notices() {
    std::fs::write(FILE, notices()).unwrap();
}

#[test]
fn every_linked_crate_is_named_with_a_text() {
    let text = notices();
    let packages = linked::packages(&PLATFORMS);
    assert!(packages.len() > 50, "{} crates: the walk is broken", packages.len());
    for package in packages.iter().filter(|package| package.name != "tailora") {
        assert!(text.contains(&line(package)), "{} is missing", package.name);
    }
    for part in ["Copyright (c) The Rust Project Contributors", "the mingw-w64 project", "Apache License", MIT] {
        assert!(text.contains(part), "{part}");
    }
}
