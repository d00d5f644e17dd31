//! What fuzzers run, and what `tests/corpus` is replayed through: one function per kind of input that a host does not
//! write itself. Each takes any bytes, and fails on a defect only: a panic, or an error of the code `Internal`.

mod checkpoint;
mod options;

use crate::error::{Code, Result};

/// A kind of input: the name of its folder in `tests/corpus`, and what reads it.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds.
pub const TARGETS: &[Target] = &[("checkpoint", checkpoint::run), ("options", options::run)];

/// Runs the target of that name.
///
/// # Panics
/// On a defect that the input brings to light, and if there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("no fuzz target is named {name}")).1(bytes);
}

/// Refuses what is never the input's fault.
fn check<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(err) => {
            assert_ne!(err.code(), Code::Internal, "{err}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// Every finding that was ever minimised, and the seeds of the fuzzers.
    #[test]
    fn the_corpus_does_no_harm() {
        for (name, run) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
            let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{} is empty", folder.display());
            for file in files {
                let begun = Instant::now();
                println!("{}", file.display());
                run(&std::fs::read(&file).unwrap());
                assert!(begun.elapsed() < Duration::from_secs(20), "{} took {:?}", file.display(), begun.elapsed());
            }
        }
    }
}
