//! llama.cpp's programs, the peer of `cargo xtask bench generate` and `bench reports`.
//!
//! Built from the source package of `llama-cpp-python` on PyPI, which has llama.cpp in it, for this machine's CPU, into the
//! user's cache. `TAILORA_LLAMA_CPP` names another folder with the programs instead.

use crate::python;
use crate::shell::{Outcome, command, create_dir, run};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable through which the bench learns of it.
pub const VARIABLE: &str = "TAILORA_LLAMA_CPP";

/// Of `llama-cpp-python`.
const VERSION: &str = "0.3.36";
const PROGRAMS: [&str; 4] = ["llama-bench", "llama-batched-bench", "llama-quantize", "llama-server"];
/// For the CPU that it is built on; its server listens, and nothing asks others.
const SETTINGS: [&str; 11] = [
    // GCC 12 forgets what a configuration of AMX's tiles is written with, and the programs end with a signal.
    #[cfg(target_os = "linux")]
    "CMAKE_CXX_FLAGS=-fno-tree-dse -fno-dse",
    #[cfg(not(target_os = "linux"))]
    "CMAKE_CXX_FLAGS=",
    "CMAKE_BUILD_TYPE=Release",
    "GGML_NATIVE=ON",
    "BUILD_SHARED_LIBS=OFF",
    "LLAMA_CURL=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_SERVER=ON",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_BUILD_TOOLS=ON",
];

/// The folder with the programs; made now if it is not there yet (some minutes).
pub fn programs() -> Outcome<PathBuf> {
    if let Some(ready) = existing() {
        return Ok(ready);
    }
    let home = home()?;
    create_dir(&home)?;
    let python = python::interpreter()?;
    let source = source(&python, &home)?;
    let build = home.join("build");
    let tools = python.parent().map(Path::to_path_buf);
    let path = env::join_paths(tools.into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())))
        .map_err(|err| format!("cannot put the Python's folder on the PATH: {err}"))?;
    let cmake = || {
        let mut cmake = command("cmake");
        cmake.env("PATH", &path);
        cmake
    };
    let settings = SETTINGS.map(|setting| format!("-D{setting}"));
    run(quiet(cmake().arg("-S").arg(source).arg("-B").arg(&build).args(["-G", "Ninja"]).args(settings)))?;
    run(quiet(cmake().arg("--build").arg(&build).arg("--target").args(PROGRAMS)))?;
    existing().ok_or_else(|| format!("{} has no {}", build.display(), PROGRAMS.join(", ")))
}

/// The folder if it needs no work: named by the environment, or made before.
pub fn existing() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let folder = home().ok()?.join("build").join("bin");
    let file = |name: &&str| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)).is_file();
    PROGRAMS.iter().all(file).then_some(folder)
}

/// llama.cpp in the unpacked source package.
fn source(python: &Path, home: &Path) -> Outcome<PathBuf> {
    let pip = |words: &[&str]| {
        let mut pip = command(python);
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]).args(words);
        pip
    };
    run(quiet(&mut pip(&["install", "--only-binary", ":all:", "cmake", "ninja"])))?;
    let requirement = format!("llama-cpp-python=={VERSION}");
    let from_source = ["download", "--no-deps", "--no-binary", "llama-cpp-python", &requirement, "--dest"];
    run(quiet(pip(&from_source).arg(home)))?;
    let name = format!("llama_cpp_python-{VERSION}");
    let archive = home.join(format!("{name}.tar.gz"));
    run(quiet(command(python).args(["-m", "tarfile", "--extract"]).arg(archive).arg(home)))?;
    Ok(home.join(name).join("vendor").join("llama.cpp"))
}

fn home() -> Outcome<PathBuf> {
    Ok(python::cache()?.join("llama.cpp").join(VERSION))
}

/// `cargo xtask llama` prints a path and nothing else on standard output.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null())
}
