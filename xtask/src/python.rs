//! The Python with PyTorch, transformers, PEFT and TensorBoard that writes fixtures and judges our adapters.
//!
//! A virtual environment in the user's cache, shared by all checkouts that pin the same versions. `TAILORA_PYTHON` names
//! another interpreter instead.

use crate::shell::{Outcome, command, create_dir, find, root, run};
use std::env;
use std::path::{Path, PathBuf};

/// The variable through which tests learn of it.
pub const VARIABLE: &str = "TAILORA_PYTHON";

/// The interpreter; made now if it is not there yet (some gigabytes and minutes).
pub fn interpreter() -> Outcome<PathBuf> {
    if let Some(ready) = existing() {
        return Ok(ready);
    }
    let home = home()?;
    let python =
        find("python3").or_else(|| find("python")).ok_or("no python3 on the PATH; install Python 3.11 or newer")?;
    if let Some(parent) = home.parent() {
        create_dir(parent)?;
    }
    run(quiet_stdout(command(python).args(["-m", "venv", "--clear"]).arg(&home)))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(quiet_stdout(command(program(&home)).args(pip).arg(requirements())))?;
    std::fs::copy(requirements(), home.join("requirements.txt"))
        .map_err(|err| format!("cannot mark {} as complete: {err}", home.display()))?;
    Ok(program(&home))
}

/// The interpreter if it needs no work: named by the environment, or made before from the same requirements.
pub fn existing() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let home = home().ok()?;
    let complete = std::fs::read(home.join("requirements.txt")).ok()? == std::fs::read(requirements()).ok()?;
    complete.then(|| program(&home)).filter(|path| path.is_file())
}

fn requirements() -> PathBuf {
    root().join("tests").join("reference").join("requirements.txt")
}

fn home() -> Outcome<PathBuf> {
    Ok(cache()?.join("python"))
}

/// What xtask makes once for all checkouts.
pub fn cache() -> Outcome<PathBuf> {
    let cache = if cfg!(windows) {
        env::var_os("LOCALAPPDATA").map(PathBuf::from)
    } else {
        let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)
    };
    Ok(cache.ok_or("neither HOME nor LOCALAPPDATA is set")?.join("tailora"))
}

fn program(home: &Path) -> PathBuf {
    if cfg!(windows) { home.join("Scripts").join("python.exe") } else { home.join("bin").join("python") }
}

/// `cargo xtask python` prints a path and nothing else on standard output.
fn quiet_stdout(command: &mut std::process::Command) -> &mut std::process::Command {
    command.stdout(std::process::Stdio::null())
}
