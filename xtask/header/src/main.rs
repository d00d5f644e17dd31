//! Writes `include/tailora.h` from `src/capi`, or with `--check` says where the committed one differs.

use std::path::Path;
use std::process::ExitCode;

/// The C API's files in the order of the header. Not the whole crate: cbindgen would take its constants for the API's.
const SOURCES: &[&str] = &[
    "status", "types", "library", "log", "error", "text", "cancel", "model", "tokens", "adapter", "dataset", "train",
    "evaluate", "session", "stream", "batch", "registry", "aliases", "docx",
];

fn main() -> ExitCode {
    match run(root(), std::env::args().any(|arg| arg == "--check")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("header: {message}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

fn run(root: &Path, check: bool) -> Result<(), String> {
    let fresh = generate(root)?;
    let path = root.join("include").join("tailora.h");
    if !check {
        return std::fs::write(&path, fresh).map_err(|err| format!("cannot write {}: {err}", path.display()));
    }
    let committed = std::fs::read_to_string(&path).map_err(|err| format!("cannot read {}: {err}", path.display()))?;
    match first_difference(&committed.replace("\r\n", "\n"), &fresh) {
        None => {
            println!("include/tailora.h is what src/capi says");
            Ok(())
        }
        Some((line, committed, fresh)) => Err(format!(
            "include/tailora.h differs from src/capi at line {line}: committed `{committed}`, generated `{fresh}`; \
             run `cargo xtask header` and commit the file"
        )),
    }
}

fn generate(root: &Path) -> Result<String, String> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(root.join("src").join("capi").join(name).with_extension("rs"));
    }
    let bindings = builder.generate().map_err(|err| format!("cbindgen failed: {err}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text)
        .map(|text| text.replace("\r\n", "\n"))
        .map_err(|err| format!("the header is not UTF-8: {err}"))
}

fn first_difference<'a>(left: &'a str, right: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if left == right {
        return None;
    }
    let (mut a, mut b) = (left.split('\n'), right.split('\n'));
    let mut line = 1;
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => line += 1,
            (x, y) => return Some((line, x.unwrap_or("(end of file)"), y.unwrap_or("(end of file)"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{first_difference, root, run};

    #[test]
    fn the_committed_header_is_what_the_sources_say() {
        assert_eq!(run(root(), true), Ok(()));
    }

    #[test]
    fn a_difference_is_named_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(first_difference("a", "a\nb"), Some((2, "(end of file)", "b")));
    }
}
