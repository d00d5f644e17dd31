//! `cargo xtask windows [--library DLL]`: cross-builds `tailora.dll` on Debian, or takes one, and runs hosts of it under Wine.

mod hosts;

use crate::shell::{Outcome, command, create_dir, find, output, run as run_command, target};
use std::path::{Path, PathBuf};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Debian's own Rust, which brings the source of `std`: rustup's toolchain here has no Windows `std`.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std";
const GCC: &str = "x86_64-w64-mingw32-gcc-posix";
const PACKAGES: &str = "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix";

pub fn run(args: &[String]) -> Outcome {
    let folder = target().join("windows");
    match args {
        [] => drop(library()?),
        [flag, dll] if flag == "--library" => {
            create_dir(&folder)?;
            let (dll, taken) =
                (std::path::absolute(dll).map_err(|err| format!("{dll}: {err}"))?, folder.join("tailora.dll"));
            if dll != taken {
                copy(&dll, &taken)?;
            }
            check_imports(&taken)?;
        }
        _ => return Err("expected nothing, or `--library DLL`".to_owned()),
    }
    hosts::run(&folder)
}

/// Cross-builds the DLL; where it lies.
pub fn library() -> Outcome<PathBuf> {
    check_prerequisites()?;
    let folder = target().join("windows");
    create_dir(&folder)?;
    let (dll, built) = (folder.join("tailora.dll"), build_dll()?);
    copy(&built, &dll)?;
    check_imports(&dll)?;
    Ok(dll)
}

fn check_prerequisites() -> Outcome {
    if cfg!(windows) {
        return Err("this task cross-builds from Linux; on Windows use `cargo xtask demo`".to_owned());
    }
    let needed = [CARGO, RUSTC, STD_SOURCE];
    let mut missing: Vec<&str> = needed.into_iter().filter(|path| !Path::new(path).exists()).collect();
    if find(GCC).is_none() {
        missing.push(GCC);
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("missing: {}; on Debian: apt-get install --no-install-recommends {PACKAGES}", missing.join(", ")))
}

fn build_dll() -> Outcome<PathBuf> {
    // A target folder of its own: the two compilers would rebuild each other's work.
    let out = target().join("windows").join("cargo");
    let mut build = command(CARGO);
    build.args(["rustc", "--package", "tailora", "--lib", "--release", "--crate-type", "cdylib", "--target", TARGET]);
    build.args(["-Z", "build-std=std,panic_unwind"]);
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", RUSTC).env("CARGO_TARGET_DIR", &out);
    // Set by the cargo that runs this task; the other one must not take its toolchain from it.
    build.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    run_command(build.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", GCC))?;
    Ok(out.join(TARGET).join("release").join("tailora.dll"))
}

/// Windows has its own DLLs and none of a compiler's.
fn check_imports(file: &Path) -> Outcome {
    let listing = output(command("x86_64-w64-mingw32-objdump").arg("-p").arg(file))?;
    let imports = listing.lines().filter_map(|line| line.trim().strip_prefix("DLL Name: "));
    let foreign: Vec<&str> = imports.filter(|name| name.starts_with("lib")).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(format!("{} needs DLLs that Windows does not have: {}", file.display(), foreign.join(", ")))
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to).map(drop).map_err(|err| format!("cannot copy {}: {err}", from.display()))
}
