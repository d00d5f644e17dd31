//! What fuzzers run, and what `tests/corpus` is replayed through: one function per kind of input that a host does not
//! write itself. Each takes any bytes, and fails on a defect only: a panic, or an error of the code `Internal`.

mod adapter;
mod calls;
mod checkpoint;
mod config;
mod csv;
mod docx;
mod gguf;
mod models;
#[cfg(test)]
mod mutations;
mod options;
mod report_input;
mod safetensors;
mod schema;
mod template;
mod tokenizer;

use crate::error::{Code, Result};

/// A kind of input: the name of its folder in `tests/corpus`, and what reads it.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds.
pub const TARGETS: &[Target] = &[
    ("adapter", adapter::run),
    ("calls", calls::run),
    ("checkpoint", checkpoint::run),
    ("config", config::run),
    ("csv", csv::run),
    ("docx", docx::run),
    ("gguf", gguf::run),
    ("options", options::run),
    ("report_input", report_input::run),
    ("safetensors", safetensors::run),
    ("schema", schema::run),
    ("template", template::run),
    ("tokenizer", tokenizer::run),
];

/// Before the first input. A panic that the library catches is not a finding: some libraries below it panic at damaged
/// files, which become errors. libFuzzer would abort at the panic; one that nobody catches it sees nevertheless.
pub fn begin() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
}

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
    use std::io::Write;
    use std::path::Path;
    use std::time::{Duration, Instant};

    const VARIABLE: &str = "TAILORA_FUZZ_TARGET";
    /// What one input may take on a busy machine in an unoptimised build.
    const INPUT: Duration = Duration::from_secs(20);

    /// Every finding that was ever minimised, and the seeds of the fuzzers. Each kind in a process of its own: one that
    /// dies says with which file, and does not take the others along.
    #[test]
    fn the_corpus_does_no_harm() {
        for (name, run) in TARGETS {
            let ours = || std::env::var(VARIABLE).is_ok_and(|wanted| wanted == *name);
            let replay = || {
                if ours() {
                    replay(name, *run);
                }
            };
            let test = concat!(module_path!(), "::the_corpus_does_no_harm");
            let test = test.split_once("::").map_or(test, |(_, path)| path);
            let limit = Duration::from_secs(300);
            crate::child::survives(test, limit, |command| _ = command.env(VARIABLE, name), replay);
        }
    }

    fn replay(name: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            let begun = Instant::now();
            println!("{}", file.display());
            std::io::stdout().flush().unwrap();
            run(&std::fs::read(&file).unwrap());
            assert!(begun.elapsed() < INPUT, "{} took {:?}", file.display(), begun.elapsed());
        }
    }
}
