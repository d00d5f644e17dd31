//! The GPU's kernels on a machine without one: each test of `tests/kernels` is compiled for the host, beside the emulator
//! that runs the kernels, and run.

use crate::count::Tally;
use crate::shell::{Outcome, announce, command, create_dir, find, root, run, target};
use std::path::{Path, PathBuf};

/// The C++ compiler, where the emulator knows the processor.
pub fn compiler() -> Option<PathBuf> {
    let known = cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));
    known.then(|| find("g++")).flatten()
}

/// Compiles and runs them; every program counts as one test.
pub fn test() -> Outcome<Tally> {
    let Some(compiler) = compiler() else {
        println!("SKIPPED: kernels: the emulator needs g++ on Linux, x86-64 or aarch64");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    };
    let folder = target().join("kernels");
    create_dir(&folder)?;
    let mut tally = Tally::default();
    for source in sources(&root().join("tests").join("kernels"))? {
        match build_and_run(&compiler, &source, &folder) {
            Ok(()) => tally.passed += 1,
            Err(message) => {
                eprintln!("FAILED: {}: {message}", source.display());
                tally.failed += 1;
            }
        }
    }
    Ok(tally)
}

fn sources(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut sources: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "cpp")).collect();
    sources.sort();
    Ok(sources)
}

fn build_and_run(compiler: &Path, source: &Path, folder: &Path) -> Outcome {
    let program = folder.join(source.file_stem().unwrap_or_default());
    let gpu = root().join("src").join("gpu");
    let mut compile = command(compiler);
    compile.args(["-std=c++17", "-O1", "-fno-strict-aliasing", "-Wno-unknown-pragmas", "-DTAILORA_EMULATOR", "-I"]);
    compile.arg(&gpu).arg("-I").arg(gpu.join("emulator")).arg(source).arg(gpu.join("emulator").join("emulator.cpp"));
    run(compile.arg("-o").arg(&program))?;
    let mut test = command(&program);
    announce(&test);
    run(&mut test)
}
