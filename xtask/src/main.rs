//! Dev tasks, the same on Linux, macOS and Windows: `cargo xtask TASK`. One file per task; this one only picks.

#![forbid(unsafe_code)]

mod bench;
mod compiler;
mod count;
mod cuda;
mod demo;
mod deny;
mod docs;
mod dotnet_fresh;
mod fixtures;
mod fuzz;
mod gpu_pack;
mod header;
mod kernels;
mod library;
mod lint;
mod llama;
mod notices;
mod pack;
mod public_api;
mod python;
mod registers;
mod shell;
mod test;
mod windows;

use shell::Outcome;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask TASK

  demo             build the library, run the C sample on the bundled model and CSV, print the report
  test [PART..]    run every test, or only the parts named: rust gpu c dotnet
  lint             cargo fmt --check, clippy with warnings as errors, header --check and docs --check
  fmt              cargo fmt
  header [--check] write include/tailora.h from src/capi, or check the committed one
  docs [--check]   write docs/options.md and options.zh.md from the options' schemas, or check the committed ones
  notices          write THIRD-PARTY-NOTICES.txt from the licence files of the crates that are linked
  bench [NAME ..]  run benches/NAME: a table, then one line of JSON; without NAME, list them
  fixtures         write tests/fixtures again with PyTorch, transformers and PEFT
  llama            make the llama.cpp programs that `bench generate` and `bench reports` measure beside ours; print their folder
  python           make the Python that fixtures and the PEFT tests use; print its path
  fuzz [TARGET ..] [--seconds 60] [--runs N]
                   fuzz the targets of fuzz/, with cargo-fuzz
  deny             licences, advisories and duplicates of the dependencies, with cargo-deny
  cuda-build [CARGO ARGUMENTS]
                   build for NVIDIA GPUs, without a GPU or a toolkit here; by default the release library
  kernels [--write]
                   what the GPU's kernels take in registers and shared memory; fails where one spills more than is known
  gpu-pack         make target/gpu, which shows on a machine with a GPU that all of it works there, and how fast
  windows [--library DLL]
                   cross-build the Windows DLL on Linux, or take DLL, and run under Wine: the calls of tests/conformance, the
                   command `tailora` and the samples in C and C++
  pack [windows] [--library FILE] [--write]
                   the NuGet packages, in target/packages, compared with the lists of what is in them (--write: write the lists);
                   `windows` cross-builds the DLL for them; FILE is packed as this system's library
  public-api       write down what is public in C#, PublicAPI.Unshipped.txt
  dotnet-fresh     follow the package's README with them in an empty folder, publish the program, compile one for .NET Framework
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", &[][..]),
    };
    match dispatch(task, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {task}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: &str, args: &[String]) -> Outcome {
    match task {
        "demo" => demo::run(args),
        "test" => test::run(args),
        "lint" => lint::check(),
        "fmt" => lint::format(),
        "header" => header::run(args),
        "bench" => bench::run(args),
        "fixtures" => fixtures::run(),
        "fuzz" => fuzz::run(args),
        "python" => python::interpreter().map(|path| println!("{}", path.display())),
        "llama" => llama::programs().map(|path| println!("{}", path.display())),
        "deny" => deny::run(args),
        "cuda-build" => cuda::run_task(args),
        "kernels" => registers::run_task(args),
        "gpu-pack" => gpu_pack::run(),
        "docs" => docs::run(args),
        "notices" => notices::run(),
        "windows" => windows::run(args),
        "pack" => pack::run(args),
        "public-api" => public_api::run(),
        "dotnet-fresh" => dotnet_fresh::run(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("there is no such task\n\n{HELP}")),
    }
}
