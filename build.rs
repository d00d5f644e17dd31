//! Link arguments of the shared library, and the kernels of GPUs where a feature asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    link_arguments();
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        for_the_card();
    }
    if std::env::var_os("CARGO_FEATURE_CUDA_EMULATOR").is_some() {
        for_the_host();
    }
}

/// The shared library's ABI name, and that it stays loaded.
fn link_arguments() {
    // `TAILORA_ABI_MAJOR` of the header; `tests/c_abi.rs` holds the two together.
    const ABI_MAJOR: u32 = 1;
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // Threads and thread-local destructors of the library may run after a `dlclose`: never unload.
        Ok("linux" | "android" | "freebsd") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtailora.so.{ABI_MAJOR}");
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
            // A cdylib also exports the `#[no_mangle]` functions of its dependencies (llguidance has a C API of its own).
            // This hides them, as long as they come from archives: link-time optimisation would bring them back.
            println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
        }
        Ok("macos" | "ios") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libtailora.{ABI_MAJOR}.dylib");
        }
        _ => {}
    }
}

/// Machine code for Ampere and Hopper, and PTX for what comes after.
const ARCHITECTURES: &[&str] = &[
    "arch=compute_80,code=sm_80",
    "arch=compute_86,code=sm_86",
    "arch=compute_90,code=sm_90",
    "arch=compute_90,code=compute_90",
];

/// `kernels.fatbin`: every kernel, compiled by nvcc.
fn for_the_card() {
    println!("cargo:rerun-if-env-changed=NVCC");
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    let mut command = Command::new(nvcc);
    command.args(["-fatbin", "-std=c++17", "-O3", "--threads", "2", "--compress-mode=size", "-I"]);
    command.arg(folder("src/gpu"));
    for architecture in ARCHITECTURES {
        command.args(["-gencode", architecture]);
    }
    command.arg(all_kernels("cu")).arg("-o").arg(out().join("kernels.fatbin"));
    run(
        command,
        "the feature `cuda` needs nvcc of CUDA 13, on the PATH or in NVCC; `cargo xtask cuda-build` brings it",
    );
}

/// `libkernels.a`: every kernel, compiled for the host beside the emulator that runs it.
fn for_the_host() {
    let cpp = folder("src/gpu/emulator/emulator.cpp");
    let object = out().join("kernels.o");
    let mut command = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "g++".into()));
    command.args([
        "-c",
        "-std=c++17",
        "-O2",
        "-fPIC",
        "-fno-strict-aliasing",
        "-Wno-unknown-pragmas",
        "-DTAILORA_EMULATOR",
        "-I",
    ]);
    command.arg(folder("src/gpu")).arg("-I").arg(folder("src/gpu/emulator"));
    command.arg(format!("-DTAILORA_KERNELS=\"{}\"", all_kernels("inc").display()));
    command.arg(cpp).arg("-o").arg(&object);
    run(command, "the feature `cuda-emulator` needs a C++ compiler, g++ or the one in CXX");
    let mut archive = Command::new("ar");
    archive.arg("rcs").arg(out().join("libkernels.a")).arg(object);
    run(archive, "the feature `cuda-emulator` needs ar");
    println!("cargo:rustc-link-search=native={}", out().display());
    println!("cargo:rustc-link-lib=static=kernels");
    println!("cargo:rustc-link-lib=dylib=stdc++");
}

/// A file that includes all kernels: one module on the card.
fn all_kernels(extension: &str) -> PathBuf {
    let mut sources = Vec::new();
    for folder in ["src/gpu", "src/ops", "src/tensor", "src/weights"].map(folder) {
        find(&folder, &mut sources);
    }
    sources.sort();
    let mut text = String::new();
    for source in sources {
        // Files alone, not their folders, in which every change of Rust would compile all kernels again.
        println!("cargo:rerun-if-changed={}", source.display());
        if source.extension().is_some_and(|extension| extension == "cu") {
            text.push_str(&format!("#include \"{}\"\n", source.display()));
        }
    }
    let all = out().join(format!("kernels.{extension}"));
    std::fs::write(&all, text).unwrap();
    all
}

/// The sources of kernels in a folder and those below it.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| ["cu", "cuh", "h", "cpp"].iter().any(|kind| *kind == extension))
        {
            found.push(path);
        }
    }
}

fn folder(path: &str) -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join(path)
}

fn out() -> PathBuf {
    std::env::var_os("OUT_DIR").unwrap().into()
}

fn run(mut command: Command, needs: &str) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?}: {status}"),
        Err(err) => panic!("{needs} ({err})"),
    }
}
