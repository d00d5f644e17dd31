//! `cargo xtask cuda-build`: builds with the feature `cuda` on a machine that has neither a GPU nor NVIDIA's toolkit.
//!
//! The compiler comes from NVIDIA's wheels on PyPI. It is of CUDA 13.0 on purpose: candle's kernels are kept as PTX, which
//! a driver takes from its own CUDA version or an older one, and drivers of the 580 series are of 13.0.

mod stubs;

#[cfg(test)]
mod loader_tests;

use crate::shell::{Outcome, cargo, command, create_dir, find, output, run, target};
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
/// The version of these wheels as cudarc counts it.
const CUDA_VERSION: &str = "13000";
/// Hopper, of which the H100 is one.
const DEFAULT_COMPUTE_CAP: &str = "90";

/// `cargo xtask cuda-build [--compute-cap CC] [CARGO ARGUMENTS]`
pub fn run_task(args: &[String]) -> Outcome {
    let (compute_cap, rest) = match args {
        [option, value, rest @ ..] if option == "--compute-cap" => (Some(value.as_str()), rest),
        _ => (None, args),
    };
    let mut build = cargo_with_cuda(compute_cap)?;
    match rest {
        [] => build.args(["rustc", "--package", "tailora", "--lib", "--release", "--crate-type", "cdylib"]),
        rest => build.args(rest),
    };
    run(build.args(["--features", "cuda"]))?;
    println!("{}", folder().join("build").display());
    Ok(())
}

/// cargo as it is to be called: with the compiler, the link kit and a target folder of its own.
pub fn cargo_with_cuda(compute_cap: Option<&str>) -> Outcome<Command> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(
            "this task builds on and for x86-64 Linux; elsewhere install the CUDA toolkit and use cargo".to_owned()
        );
    }
    let toolkit = toolkit()?;
    let kit = folder().join("linkkit");
    stubs::make(&kit, &sources_of("cudarc")?)?;
    copy(&toolkit.join("lib").join("libcudart_static.a"), &kit.join("lib").join("libcudart.a"))?;
    let compute_cap = compute_cap.map_or_else(compute_cap_here, str::to_owned);
    let mut build = cargo();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(toolkit.join("bin")).chain(std::env::split_paths(&path));
    build.env("PATH", std::env::join_paths(folders).map_err(|err| format!("the PATH cannot be made longer: {err}"))?);
    build.env("CUDA_HOME", &kit).env("CUDA_PATH", &kit).env("CUDARC_CUDA_VERSION", CUDA_VERSION);
    build.env("CUDA_COMPUTE_CAP", compute_cap).env("CARGO_TARGET_DIR", folder().join("build"));
    Ok(build)
}

/// Where all of it lies.
fn folder() -> PathBuf {
    target().join("cuda")
}

/// That of the GPU here, where there is one.
fn compute_cap_here() -> String {
    let query = || {
        let listed = output(command(find("nvidia-smi")?).args(["--query-gpu=compute_cap", "--format=csv,noheader"]));
        Some(listed.ok()?.lines().next()?.replace('.', "")).filter(|cap| !cap.is_empty())
    };
    query().unwrap_or_else(|| DEFAULT_COMPUTE_CAP.to_owned())
}

/// Downloads and unpacks the wheels, once.
fn toolkit() -> Outcome<PathBuf> {
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

/// Where cargo keeps the sources of a dependency; fetches them if need be.
fn sources_of(package: &str) -> Outcome<PathBuf> {
    let metadata = output(cargo().args(["metadata", "--format-version", "1", "--locked", "--features", "cuda"]))?;
    manifest_folder(&metadata, package).ok_or_else(|| format!("cargo metadata names no package {package}"))
}

/// The folder of a package in what `cargo metadata` prints.
fn manifest_folder(metadata: &str, package: &str) -> Option<PathBuf> {
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut folders = manifests.filter_map(|manifest| Path::new(manifest).parent());
    let of_package = |folder: &&Path| {
        let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
        name.is_some_and(|(name, _)| name == package)
    };
    folders.find(of_package).map(Path::to_owned)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to).map(drop).map_err(|err| format!("cannot copy {}: {err}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_sources_are_found_by_its_name() {
        let metadata = r#"{"packages":[{"manifest_path":"/r/cudarc-sys-1.0.0/Cargo.toml"},{"manifest_path":"/r/cudarc-0.19.10/Cargo.toml"}]}"#;
        assert_eq!(manifest_folder(metadata, "cudarc"), Some(PathBuf::from("/r/cudarc-0.19.10")));
        assert_eq!(manifest_folder(metadata, "candle"), None);
    }
}
