//! `cargo xtask gpu-pack`: `target/gpu`, a folder to carry to a machine with an NVIDIA driver and no toolchain. Its `run.sh`
//! tests the operators and the decoder there, trains, and measures beside PyTorch + PEFT.

use crate::cuda::cargo_with_cuda;
use crate::shell::{Outcome, announce, cannot_start, command, create_dir, root, run as run_command, target};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What the tests and the bench read, below the repository's root.
const FILES: &[&str] = &["benches/gpu", "samples/data", "samples/models/tailora-tiny", "tests/fixtures"];

/// A program of the package.
struct Program {
    name: &'static str,
    /// How cargo builds it: tests with assertions and overflow checks, what is measured as it is released.
    build: &'static [&'static str],
    /// The target as cargo's messages name it.
    target: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { name: "tests", build: &["test", "--lib"], target: "tailora" },
    Program { name: "bench-gpu", build: &["bench", "--bench", "gpu"], target: "gpu" },
];
/// What a machine lent for a while takes.
const MOST_MIB: u64 = 60;

pub fn run() -> Outcome {
    let folder = target().join("gpu");
    let _ = std::fs::remove_dir_all(&folder);
    create_dir(&folder)?;
    for program in PROGRAMS {
        let stripped = folder.join(program.name);
        run_command(command("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(build(program)?))?;
        run_command(command("xz").args(["-T0", "-6"]).arg(&stripped))?;
    }
    run_command(
        command("tar").arg("-cJf").arg(folder.join("files.tar.xz")).args(["--exclude", "__pycache__"]).args(FILES),
    )?;
    write(&folder.join("run.sh"), include_str!("gpu_run.sh"))?;
    // Tests and bench look for their files below the root that they were built in.
    write(&folder.join("root.txt"), &root().display().to_string())?;
    let mib = size(&folder)? >> 20;
    println!("{}: {mib} MiB", folder.display());
    if mib > MOST_MIB {
        return Err(format!("the package has {mib} MiB; expected at most {MOST_MIB}"));
    }
    Ok(())
}

/// Builds a program; its path.
fn build(program: &Program) -> Outcome<PathBuf> {
    let mut build = cargo_with_cuda()?;
    build.args(program.build).args(["--package", "tailora", "--no-run", "--locked", "--features", "cuda"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    announce(&build);
    let built = build.stderr(Stdio::inherit()).output().map_err(|err| cannot_start(&build, &err))?;
    if !built.status.success() {
        return Err(format!("{} does not build with the feature cuda", program.name));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    executable(&messages, program.target).ok_or_else(|| format!("cargo built no {}", program.target))
}

/// The program of a target, from cargo's messages.
fn executable(messages: &str, target_name: &str) -> Option<PathBuf> {
    let name = format!("\"name\":\"{target_name}\"");
    let line = messages.lines().find(|line| line.contains("\"executable\":\"") && line.contains(&name))?;
    let path = line.split("\"executable\":\"").nth(1)?.split('"').next()?;
    Some(PathBuf::from(path))
}

fn size(folder: &Path) -> Outcome<u64> {
    let entries = std::fs::read_dir(folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum())
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|err| format!("cannot write {}: {err}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_there() {
        for file in FILES {
            assert!(root().join(file).exists(), "{file}");
        }
    }

    #[test]
    fn a_program_is_found_by_its_target() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"tailora"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"gpu"},"executable":"/t/gpu-1"}
{"reason":"compiler-artifact","target":{"name":"tailora"},"executable":"/t/tailora-2"}"#;
        assert_eq!(executable(messages, "tailora"), Some(PathBuf::from("/t/tailora-2")));
        assert_eq!(executable(messages, "gpu"), Some(PathBuf::from("/t/gpu-1")));
        assert_eq!(executable(messages, "other"), None);
    }
}
