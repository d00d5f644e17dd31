//! The link kit: static archives under the names of CUDA's libraries, whose functions open the real library at their first
//! call. candle can only link CUDA dynamically; with these the result needs no CUDA library to be loaded, and falls back
//! to the CPU where there is none.

use crate::shell::{Outcome, command, create_dir, run};
use std::path::Path;

/// How a library's functions are found among cudarc's, and the library on the user's machine.
struct Library {
    /// As the linker asks for it, `-lNAME`.
    name: &'static str,
    /// The module of cudarc.
    module: &'static str,
    /// How its functions begin.
    prefix: &'static str,
    /// File names, newest first.
    files: &'static [&'static str],
    /// What it needs and lies beside it.
    before: &'static str,
    /// What its functions return where it is missing.
    missing: u32,
}

const LIBRARIES: &[Library] = &[
    // CUDA_ERROR_NO_DEVICE
    Library {
        name: "cuda",
        module: "driver",
        prefix: "cu",
        files: &["libcuda.so.1", "libcuda.so"],
        before: "",
        missing: 100,
    },
    // CUBLAS_STATUS_NOT_INITIALIZED
    Library {
        name: "cublas",
        module: "cublas",
        prefix: "cublas",
        files: &["libcublas.so.13", "libcublas.so.12"],
        before: "libcublasLt.so.13",
        missing: 1,
    },
    Library {
        name: "cublasLt",
        module: "cublaslt",
        prefix: "cublasLt",
        files: &["libcublasLt.so.13", "libcublasLt.so.12"],
        before: "",
        missing: 1,
    },
    // CURAND_STATUS_INITIALIZATION_FAILED
    Library {
        name: "curand",
        module: "curand",
        prefix: "curand",
        files: &["libcurand.so.10"],
        before: "",
        missing: 203,
    },
    // NVRTC_ERROR_INTERNAL_ERROR
    Library {
        name: "nvrtc",
        module: "nvrtc",
        prefix: "nvrtc",
        files: &["libnvrtc.so.13", "libnvrtc.so.12"],
        before: "",
        missing: 11,
    },
];

/// Writes `kit/lib/lib*.a` from the sources of cudarc.
pub fn make(kit: &Path, cudarc: &Path) -> Outcome {
    let lib = kit.join("lib");
    create_dir(&lib)?;
    let loader = kit.join("loader.c");
    write(&loader, include_str!("loader.c"))?;
    for library in LIBRARIES {
        let source = cudarc.join("src").join(library.module).join("sys").join("mod.rs");
        let text =
            std::fs::read_to_string(&source).map_err(|err| format!("cannot read {}: {err}", source.display()))?;
        let names = functions(&text, library.prefix);
        if names.is_empty() {
            return Err(format!("{} declares no function {}…", source.display(), library.prefix));
        }
        let header = kit.join(format!("{}.h", library.name));
        write(&header, &symbols(&names))?;
        let object = kit.join(format!("{}.o", library.name));
        let files = library.files.iter().map(|file| format!("\"{file}\"")).collect::<Vec<_>>().join(",");
        let mut compiler = command("cc");
        compiler.args(["-O2", "-fPIC", "-fno-toplevel-reorder", "-c"]).arg(&loader).arg("-o").arg(&object);
        compiler.arg(format!("-DSYMBOLS=\"{}\"", header.display())).arg(format!("-DFILES={files}"));
        compiler.arg(format!("-DBEFORE=\"{}\"", library.before)).arg(format!("-DMISSING={}", library.missing));
        run(&mut compiler)?;
        let archive = lib.join(format!("lib{}.a", library.name));
        let _ = std::fs::remove_file(&archive);
        run(command("ar").arg("rcs").arg(archive).arg(object))?;
    }
    Ok(())
}

/// The functions that cudarc's bindings declare as foreign, each once: `fn NAME(` behind nothing but spaces.
fn functions(source: &str, prefix: &str) -> Vec<String> {
    let declared = source.lines().filter(|line| line.starts_with(' ')).filter_map(|line| {
        let (name, _) = line.trim_start().strip_prefix("fn ")?.split_once('(')?;
        let rest = name.strip_prefix(prefix)?;
        rest.starts_with(|c: char| c.is_ascii_uppercase()).then(|| name.to_owned())
    });
    let mut names: Vec<String> = declared.collect();
    names.sort();
    names.dedup();
    names
}

/// What `loader.c` includes.
fn symbols(names: &[String]) -> String {
    names.iter().enumerate().map(|(index, name)| format!("SYMBOL({index}, {name})\n")).collect()
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|err| format!("cannot write {}: {err}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: &str = "\
pub unsafe fn cuInit(Flags: ::core::ffi::c_uint) -> CUresult {
        extern \"C\" {
            fn cuInit(Flags: ::core::ffi::c_uint) -> CUresult;
        }
    fn curand_is_not_the_driver();
            fn cuMemFree_v2(dptr: CUdeviceptr) -> CUresult;
            fn cuInit(Flags: ::core::ffi::c_uint) -> CUresult;
        fn cublasCreate_v2(handle: *mut cublasHandle_t) -> cublasStatus_t;
";

    #[test]
    fn foreign_functions_are_found_once_and_by_their_library() {
        assert_eq!(functions(BINDINGS, "cu"), ["cuInit", "cuMemFree_v2"]);
        assert_eq!(functions(BINDINGS, "cublas"), ["cublasCreate_v2"]);
        assert_eq!(functions(BINDINGS, "nvrtc"), [""; 0]);
    }

    #[test]
    fn symbols_are_counted_from_zero() {
        assert_eq!(symbols(&functions(BINDINGS, "cu")), "SYMBOL(0, cuInit)\nSYMBOL(1, cuMemFree_v2)\n");
    }
}
