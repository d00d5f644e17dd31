//! The programs of `tests/conformance` for a library that no Rust test can load: `cargo xtask windows` compiles and runs
//! them elsewhere, and has what they print checked here.
//!
//! ```text
//! conformance write FOLDER              writes FOLDER/calls.c and FOLDER/calls.cpp
//! conformance check LANGUAGE FOLDER     checks FOLDER/calls.LANGUAGE.txt, what the program of c or cpp printed
//! ```

#[path = "../../../tests/conformance/mod.rs"]
mod table;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => write(Path::new(folder)),
        ["check", language, folder] => check(language, Path::new(folder)),
        _ => panic!("expected `write FOLDER` or `check LANGUAGE FOLDER`"),
    }
}

fn write(folder: &Path) {
    let root = root();
    let (c, cpp) = (table::cases("c", &root, folder), table::cases("cpp", &root, folder));
    std::fs::write(folder.join("calls.c"), table::c_program(&c, &root)).expect("calls.c");
    std::fs::write(folder.join("calls.cpp"), table::cpp_program(&cpp, &root)).expect("calls.cpp");
}

fn check(language: &str, folder: &Path) {
    let printed = std::fs::read_to_string(folder.join(format!("calls.{language}.txt"))).expect("what was printed");
    let cases = table::cases(language, &root(), folder);
    table::check(language, &cases, &table::read(&printed));
    println!("{} calls answered as the table has it", cases.len());
}
