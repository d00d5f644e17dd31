//! `cargo xtask gpu-pack`: `target/gpu`, a folder to carry to a machine with an NVIDIA driver and no toolchain. Its `run.sh`
//! tests the operators and the decoder there, trains, and measures beside PyTorch + PEFT.

use crate::cuda::cargo_with_cuda;
use crate::shell::{Outcome, announce, cannot_start, command, create_dir, root, run as run_command, target};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What the tests and the bench read, below the repository's root.
const FILES: &[&str] = &["benches/train/peft_peer.py", "samples/data", "samples/models/tailora-tiny", "tests/fixtures"];
/// The package's programs: as cargo names what they are built of, and as the package does.
const PROGRAMS: &[(&str, &str)] = &[("tailora", "tests"), ("train", "bench-train")];

pub fn run() -> Outcome {
    let folder = target().join("gpu");
    let _ = std::fs::remove_dir_all(&folder);
    create_dir(&folder)?;
    let mut build = cargo_with_cuda(None)?;
    build.args(["test", "--package", "tailora", "--lib", "--bench", "train", "--no-run", "--locked"]);
    build.args(["--features", "cuda", "--message-format", "json-render-diagnostics"]);
    announce(&build);
    let built = build.stderr(Stdio::inherit()).output().map_err(|err| cannot_start(&build, &err))?;
    if !built.status.success() {
        return Err("the tests do not build with the feature cuda".to_owned());
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    for (target_name, name) in PROGRAMS {
        let program = executable(&messages, target_name).ok_or_else(|| format!("cargo built no {target_name}"))?;
        let stripped = folder.join(name);
        run_command(command("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(program))?;
        run_command(command("xz").args(["-T0", "-6"]).arg(&stripped))?;
    }
    run_command(command("tar").arg("-cJf").arg(folder.join("files.tar.xz")).args(FILES))?;
    write(&folder.join("run.sh"), include_str!("gpu_run.sh"))?;
    // Tests and bench look for their files below the root that they were built in.
    write(&folder.join("root.txt"), &root().display().to_string())?;
    println!("{}: {} MiB", folder.display(), size(&folder)? >> 20);
    Ok(())
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
{"reason":"compiler-artifact","target":{"name":"train"},"executable":"/t/train-1"}
{"reason":"compiler-artifact","target":{"name":"tailora"},"executable":"/t/tailora-2"}"#;
        assert_eq!(executable(messages, "tailora"), Some(PathBuf::from("/t/tailora-2")));
        assert_eq!(executable(messages, "train"), Some(PathBuf::from("/t/train-1")));
        assert_eq!(executable(messages, "other"), None);
    }
}
