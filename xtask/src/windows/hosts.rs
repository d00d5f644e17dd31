//! Programs in C and C++ on `tailora.dll`, compiled with mingw and run under Wine: the samples, the command `tailora`, and
//! the table of calls.
//!
//! Wine shows loading, exports, the calling convention, threads, files with any names and training on the small model. It
//! does not show speed, and not .NET.

use super::{GCC, check_imports};
use crate::shell::{Outcome, cargo, command, create_dir, find, root, run as run_command};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const GXX: &str = "x86_64-w64-mingw32-g++-posix";
const WINE: &str = "/usr/lib/wine/wine64";
/// Header-only libraries of the command, where Debian has them.
const HEADERS: [&str; 2] = ["/usr/include/CLI", "/usr/include/nlohmann"];
const PACKAGES: &str = "gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix wine64 libcli11-dev nlohmann-json3-dev";

/// Debian's Wine 8 lacks this DLL, which Rust's `std` takes random numbers from; Windows has had it since version 8.
const RANDOM_STUB: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
";

/// So few rows are trained on without folds: the sample in C shows those.
const FEW_ROWS: usize = 4;

/// One thing to show, in the folder of the DLL.
struct Host {
    name: &'static str,
    run: fn(&Path) -> Outcome,
}

const HOSTS: &[Host] = &[
    Host { name: "conformance, C", run: |folder| conformance(folder, "c") },
    Host { name: "conformance, C++", run: |folder| conformance(folder, "cpp") },
    Host { name: "the command tailora", run: cli },
    Host { name: "C++ sample", run: cpp_sample },
    Host { name: "C sample", run: c_sample },
];

pub fn run(folder: &Path) -> Outcome {
    check_prerequisites()?;
    build_random_stub(folder)?;
    let mut table = Vec::new();
    for Host { name, run } in HOSTS {
        let begun = Instant::now();
        eprintln!("=== {name}, under Wine");
        run(folder).map_err(|err| format!("{name}: {err}"))?;
        table.push(format!("{name:22} ok {:>6.0} s", begun.elapsed().as_secs_f64()));
    }
    println!("\n{}", table.join("\n"));
    Ok(())
}

fn check_prerequisites() -> Outcome {
    let compilers = [GCC, GXX].into_iter().filter(|name| find(name).is_none());
    let files = HEADERS.into_iter().chain([WINE]).filter(|path| !Path::new(path).exists());
    let missing: Vec<&str> = compilers.chain(files).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("missing: {}; on Debian: apt-get install --no-install-recommends {PACKAGES}", missing.join(", ")))
}

fn build_random_stub(folder: &Path) -> Outcome {
    let source = folder.join("bcryptprimitives.c");
    std::fs::write(&source, RANDOM_STUB).map_err(|err| format!("cannot write {}: {err}", source.display()))?;
    let stub = folder.join("bcryptprimitives.dll");
    run_command(command(GCC).args(["-shared", "-O2", "-o"]).arg(stub).arg(source).arg("-ladvapi32"))
}

/// `program` of the folder under Wine.
fn wine(folder: &Path, program: &Path) -> Command {
    let mut wine = command(WINE);
    wine.arg(program).env("WINEDEBUG", "-all").env("WINEPREFIX", folder.join("wine"));
    wine
}

/// Compiles and links one program beside the DLL, which it alone needs.
fn compile(folder: &Path, source: &Path, name: &str) -> Outcome<PathBuf> {
    let program = folder.join(name).with_extension("exe");
    let is_c = source.extension().is_some_and(|extension| extension == "c");
    let mut compiler = command(if is_c { GCC } else { GXX });
    compiler.args([if is_c { "-std=c11" } else { "-std=c++17" }, "-Wall", "-Wextra", "-static", "-I"]);
    compiler.arg(root().join("include")).arg(source).arg("-o").arg(&program);
    run_command(compiler.arg(folder.join("tailora.dll")))?;
    check_imports(&program)?;
    Ok(program)
}

fn model() -> PathBuf {
    root().join("samples").join("models").join("tailora-tiny")
}

fn rows() -> PathBuf {
    root().join("samples").join("data").join("talent_review.csv")
}

fn c_sample(folder: &Path) -> Outcome {
    let program = compile(folder, &root().join("samples").join("c").join("talent_review.c"), "talent_review")?;
    run_command(wine(folder, &program).arg(model()).arg(rows()))
}

fn cpp_sample(folder: &Path) -> Outcome {
    let source = root().join("samples").join("cpp").join("talent_review.cpp");
    let program = compile(folder, &source, "talent_review_cpp")?;
    let text = std::fs::read_to_string(rows()).map_err(|err| format!("cannot read {}: {err}", rows().display()))?;
    let few: Vec<&str> = text.lines().take(1 + FEW_ROWS).collect();
    let path = folder.join("few_rows.csv");
    std::fs::write(&path, few.join("\n")).map_err(|err| format!("cannot write {}: {err}", path.display()))?;
    run_command(wine(folder, &program).arg(model()).arg(path))
}

/// Trains from the sample's YAML file, writes a report and Word files, all under names that are not ASCII.
fn cli(folder: &Path) -> Outcome {
    let program = build_cli(folder)?;
    let home = empty(&folder.join("命令"))?;
    let (cli, adapter, job) = (root().join("samples").join("cli"), home.join("适配器"), home.join("任务"));
    let tailora = |words: &[&str]| {
        let mut command = wine(folder, &program);
        command.args(words);
        command
    };
    run_command(tailora(&["doctor"]).arg(rows()).arg("--model").arg(model()))?;
    let mut train = tailora(&["train"]);
    train.arg(rows()).arg("--model").arg(model()).arg("--config").arg(cli.join("hr_report.yaml"));
    run_command(train.arg("--out").arg(home.join("训练")).arg("--save").arg(&adapter))?;
    let mut report = tailora(&["report", "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10"]);
    run_command(report.arg("--model").arg(model()).arg("--adapter").arg(&adapter))?;
    let mut batch = tailora(&["batch"]);
    batch.arg(cli.join("cases.csv")).arg("--config").arg(cli.join("cases.yaml")).arg("--job").arg(&job);
    run_command(batch.arg("--model").arg(model()).arg("--adapter").arg(&adapter))?;
    run_command(tailora(&["docx"]).arg(job).arg("--out").arg(home.join("草稿")))?;
    run_command(tailora(&["review"]).arg(home.join("草稿")).arg("--rows").arg(home.join("审阅.csv")))
}

fn build_cli(folder: &Path) -> Outcome<PathBuf> {
    // Of the system's headers these alone: the others are not those of Windows.
    let headers = empty(&folder.join("headers"))?;
    run_command(command("ln").arg("--symbolic").args(HEADERS).arg(&headers))?;
    let objects = empty(&folder.join("objects"))?;
    let mut flags = command(GXX);
    flags.args(["-c", "-std=c++17", "-Wall", "-Wextra", "-isystem"]).arg(headers).arg("-I").arg(root().join("include"));
    compile_all(&flags, &sources(&root().join("samples").join("cli"), "cpp")?, &objects)?;
    let program = folder.join("tailora.exe");
    let mut linker = command(GXX);
    linker.arg("-static").args(sources(&objects, "o")?).arg("-o").arg(&program);
    run_command(linker.arg(folder.join("tailora.dll")))?;
    check_imports(&program)?;
    Ok(program)
}

/// Compiles into the folder `objects`, with a compiler for each core.
fn compile_all(flags: &Command, sources: &[PathBuf], objects: &Path) -> Outcome {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let parts = sources.chunks(sources.len().div_ceil(cores).max(1)).map(|part| {
            let mut compiler = Command::new(flags.get_program());
            compiler.args(flags.get_args()).args(part).current_dir(objects);
            scope.spawn(move || run_command(&mut compiler))
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().try_for_each(|part| part.join().map_err(|_| "a compiler's thread panicked".to_owned())?)
    })
}

/// The files of a folder with an extension.
fn sources(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    Ok(paths)
}

/// A folder with nothing in it.
fn empty(folder: &Path) -> Outcome<PathBuf> {
    let _ = std::fs::remove_dir_all(folder);
    create_dir(folder)?;
    Ok(folder.to_owned())
}

/// `tests/conformance/calls.json` from a program in C or C++.
fn conformance(folder: &Path, language: &str) -> Outcome {
    let home = folder.join("conformance");
    create_dir(&home)?;
    let table = || {
        let mut table = cargo();
        table.args(["run", "--quiet", "--package", "conformance", "--"]);
        table
    };
    run_command(table().arg("write").arg(&home))?;
    let program = compile(folder, &home.join("calls").with_extension(language), &format!("calls_{language}"))?;
    let printed = home.join(format!("calls.{language}.txt"));
    let file = File::create(&printed).map_err(|err| format!("cannot write {}: {err}", printed.display()))?;
    run_command(wine(folder, &program).stdout(file))?;
    run_command(table().args(["check", language]).arg(home))
}
