//! `cargo xtask cuda-build`: builds with the feature `cuda` on a machine that has neither a GPU nor NVIDIA's toolkit.
//!
//! nvcc comes from NVIDIA's wheels on PyPI. It is of CUDA 13.0 on purpose: a driver takes PTX of its own CUDA version or an
//! older one, and drivers of the 580 series are of 13.0. The library itself finds the driver and cuBLAS when it opens a GPU.

use crate::shell::{Outcome, cargo, command, create_dir, find, run, target};
use std::path::{Path, PathBuf};
use std::process::Command;

const WHEELS: &[&str] = &[
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];
/// The oldest first: pip takes the newest that matches any.
const PLATFORMS: &[&str] =
    &["manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28"];

/// `cargo xtask cuda-build [CARGO ARGUMENTS]`
pub fn run_task(args: &[String]) -> Outcome {
    let mut build = cargo_with_cuda()?;
    match args {
        [] => build.args(["rustc", "--package", "tailora", "--lib", "--release", "--crate-type", "cdylib"]),
        args => build.args(args),
    };
    run(build.args(["--features", "cuda"]))?;
    println!("{}", build_folder().display());
    Ok(())
}

/// cargo as it is to be called: with nvcc and a target folder of its own.
pub fn cargo_with_cuda() -> Outcome<Command> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(
            "this task builds on and for x86-64 Linux; elsewhere install the CUDA toolkit and use cargo".to_owned()
        );
    }
    let nvcc = toolkit()?.join("bin").join("nvcc");
    let mut build = cargo();
    build.env("NVCC", nvcc).env("CARGO_TARGET_DIR", build_folder());
    Ok(build)
}

/// Where all of it lies.
fn folder() -> PathBuf {
    target().join("cuda")
}

fn build_folder() -> PathBuf {
    folder().join("build")
}

/// Downloads and unpacks the wheels, once.
pub fn toolkit() -> Outcome<PathBuf> {
    let (wheels, unpacked) = (folder().join("wheels"), folder().join("unpacked"));
    let toolkit = unpacked.join("nvidia").join("cu13");
    // Written last: what was interrupted is done again.
    let complete = folder().join("wheels.txt");
    let wanted = WHEELS.join("\n");
    if std::fs::read_to_string(&complete).is_ok_and(|text| text == wanted) {
        return Ok(toolkit);
    }
    let python = find("python3").ok_or("no python3 on the PATH; pip downloads NVIDIA's compiler")?;
    create_dir(&wheels)?;
    let mut pip = command(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--python-version", "3.12", "--implementation", "cp"]);
    pip.args(PLATFORMS.iter().flat_map(|platform| ["--platform".to_owned(), format!("{platform}_x86_64")]));
    run(pip.arg("--dest").arg(&wheels).args(WHEELS))?;
    for wheel in files_in(&wheels)? {
        run(command(&python).args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
    }
    for programs in [toolkit.join("bin"), toolkit.join("nvvm").join("bin")] {
        make_executable(&programs)?;
    }
    std::fs::write(&complete, wanted).map_err(|err| format!("cannot write {}: {err}", complete.display()))?;
    Ok(toolkit)
}

/// `zipfile` drops the permission to execute.
fn make_executable(folder: &Path) -> Outcome {
    for file in files_in(folder)?.iter().filter(|file| file.is_file()) {
        run(command("chmod").arg("+x").arg(file))?;
    }
    Ok(())
}

fn files_in(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}
