//! `cargo xtask windows`: cross-builds `tailora.dll` on Debian and runs the C sample against it under Wine.
//!
//! Wine shows loading, exports, the calling convention, threads, files, memory maps and training on the small model.
//! It does not show speed, and not .NET.

use crate::shell::{Outcome, command, create_dir, find, output, root, run as run_command, target};
use std::path::{Path, PathBuf};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Debian's own Rust, which brings the source of `std`: rustup's toolchain here has no Windows `std`.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std";
const GCC: &str = "x86_64-w64-mingw32-gcc-posix";
const WINE: &str = "/usr/lib/wine/wine64";
const PACKAGES: &str = "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix wine64";

/// Debian's Wine 8 lacks this DLL, which Rust's `std` takes random numbers from; Windows has had it since version 8.
const RANDOM_STUB: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
";

pub fn run() -> Outcome {
    check_prerequisites(&[WINE])?;
    let folder = target().join("windows");
    library()?;
    build_random_stub(&folder)?;
    let program = build_sample(&folder)?;
    let samples = root().join("samples");
    let mut sample = command(WINE);
    sample.arg(program).arg(samples.join("models").join("tailora-tiny"));
    sample.arg(samples.join("data").join("talent_review.csv"));
    run_command(sample.env("WINEDEBUG", "-all").env("WINEPREFIX", folder.join("wine")))
}

/// Cross-builds the DLL; where it lies.
pub fn library() -> Outcome<PathBuf> {
    check_prerequisites(&[])?;
    let folder = target().join("windows");
    create_dir(&folder)?;
    let (dll, built) = (folder.join("tailora.dll"), build_dll()?);
    copy(&built, &dll)?;
    check_imports(&dll)?;
    Ok(dll)
}

/// What cross-building needs, and `others`.
fn check_prerequisites(others: &[&str]) -> Outcome {
    if cfg!(windows) {
        return Err("this task cross-builds from Linux; on Windows use `cargo xtask demo`".to_owned());
    }
    let needed = [CARGO, RUSTC, STD_SOURCE].iter().chain(others);
    let mut missing: Vec<&str> = needed.copied().filter(|path| !Path::new(path).exists()).collect();
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

/// A host has Windows' own DLLs and nothing else of ours.
fn check_imports(dll: &Path) -> Outcome {
    let listing = output(command("x86_64-w64-mingw32-objdump").arg("-p").arg(dll))?;
    let imports = listing.lines().filter_map(|line| line.trim().strip_prefix("DLL Name: "));
    let foreign: Vec<&str> = imports.filter(|name| name.starts_with("lib")).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(format!("tailora.dll needs DLLs that Windows does not have: {}", foreign.join(", ")))
}

fn build_random_stub(folder: &Path) -> Outcome {
    let source = folder.join("bcryptprimitives.c");
    std::fs::write(&source, RANDOM_STUB).map_err(|err| format!("cannot write {}: {err}", source.display()))?;
    let stub = folder.join("bcryptprimitives.dll");
    run_command(command(GCC).args(["-shared", "-O2", "-o"]).arg(stub).arg(source).arg("-ladvapi32"))
}

fn build_sample(folder: &Path) -> Outcome<PathBuf> {
    let program = folder.join("talent_review.exe");
    let mut compiler = command(GCC);
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-O2", "-I"]).arg(root().join("include"));
    compiler.arg(root().join("samples").join("c").join("talent_review.c")).arg("-o").arg(&program);
    run_command(compiler.arg(folder.join("tailora.dll")))?;
    Ok(program)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to).map(drop).map_err(|err| format!("cannot copy {}: {err}", from.display()))
}
