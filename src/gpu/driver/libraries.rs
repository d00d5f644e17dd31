//! Where CUDA's libraries are. The driver's comes with the driver; cuBLAS with the CUDA toolkit, or with a host that ships it.

use libloading::Library;
use std::path::{Path, PathBuf};

/// A folder with cuBLAS, where the loader's own search does not find it.
const FOLDER: &str = "TAILORA_CUDA_LIB_DIR";

/// What cuBLAS consists of, in the order in which the parts need each other.
const CUBLAS: [&str; 2] = ["cublasLt", "cublas"];

/// Loads what is there for good, and says what is missing and where it comes from.
pub(super) fn find() -> Result<(), String> {
    // SAFETY: loads the driver's library, whose constructors are NVIDIA's.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return Err("no NVIDIA driver was found; install one of version 580 or newer, or use cpu".to_owned());
    }
    for folder in folders() {
        for name in CUBLAS {
            load_from(&folder, name);
        }
    }
    // SAFETY: as above; what was loaded by its path is found by its name.
    if !unsafe { cudarc::cublas::sys::is_culib_present() } {
        return Err(format!(
            "cuBLAS of CUDA 13 or 12 was not found; install the CUDA toolkit or its package of cuBLAS, or name the folder \
             that has it in {FOLDER}"
        ));
    }
    Ok(())
}

fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os(FOLDER).map(PathBuf::from);
    let usual = ["/usr/local/cuda/lib64", "/usr/lib/wsl/lib"].map(PathBuf::from);
    named.into_iter().chain(usual).filter(|folder| folder.is_dir()).collect()
}

/// Loads a library of a folder, whatever version its name ends in, and keeps it.
fn load_from(folder: &Path, name: &str) {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let stem = format!("{prefix}{name}");
    let named = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let rest = file.strip_prefix(&stem);
        rest.is_some_and(|rest| rest.starts_with(suffix) || (rest.starts_with("64_") && rest.ends_with(suffix)))
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(named)
        .collect();
    // The newest first.
    found.sort();
    for path in found.iter().rev() {
        // SAFETY: a library of NVIDIA's that the user named.
        if let Ok(library) = unsafe { Library::new(path) } {
            std::mem::forget(library);
            return;
        }
    }
}
