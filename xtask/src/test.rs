//! `cargo xtask test`: every test of every language, counted. A part that cannot run here says so loudly and why.

use crate::count::{Counter, Tally};
use crate::shell::{Outcome, announce, cannot_start, cargo, command, find, line, root, run as run_command, target};
use crate::{kernels, library, python};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The C tests force a panic inside every entry point. One set of features for all parts but that of the GPU: one build.
const FEATURES: &str = "panic-injection";
/// The GPU's kernels in host memory. A build of its own: their shared memory is every thread's, and would not leave room for a
/// stack on a host's smallest.
const EMULATOR: &str = "panic-injection,cuda-emulator";

const PARTS: &[Part] = &[
    Part { name: "rust", title: "Rust", run: rust },
    Part { name: "gpu", title: "GPU", run: gpu },
    Part { name: "c", title: "C and C++", run: c },
    Part { name: "dotnet", title: "C#", run: dotnet },
];

struct Part {
    name: &'static str,
    title: &'static str,
    run: fn() -> Outcome<Tally>,
}

pub fn run(only: &[String]) -> Outcome {
    if let Some(unknown) = only.iter().find(|name| PARTS.iter().all(|part| part.name != name.as_str())) {
        return Err(format!("there is no part `{unknown}`; there are: rust, gpu, c, dotnet"));
    }
    let chosen = PARTS.iter().filter(|part| only.is_empty() || only.iter().any(|name| name == part.name));
    let mut total = Tally::default();
    let mut table = vec![format!("{:10} {:>7} {:>7} {:>8} {:>8}", "part", "passed", "failed", "skipped", "seconds")];
    for part in chosen {
        let start = Instant::now();
        let tally = (part.run)().unwrap_or_else(|message| {
            eprintln!("FAILED: {} tests: {message}", part.title);
            Tally { failed: 1, ..Tally::default() }
        });
        let Tally { passed, failed, skipped } = tally;
        let seconds = start.elapsed().as_secs_f64();
        table.push(format!("{:10} {passed:>7} {failed:>7} {skipped:>8} {seconds:>8.1}", part.title));
        total.add(tally);
    }
    println!("\n{}\n", table.join("\n"));
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed > 0 { Err("a test failed".to_owned()) } else { Ok(()) }
}

fn rust() -> Outcome<Tally> {
    let mut tests = cargo_test();
    tests.arg("--lib");
    for name in integration_tests()?.iter().filter(|name| !drives_c(name)) {
        tests.args(["--test", name]);
    }
    let mut tally = count(tests.args(["--", "--show-output"]))?;
    tally.add(count(cargo_test().arg("--doc"))?);
    // Apart: built in one go, the tools' dependencies would change the features of the library's.
    tally.add(count(cargo().args(["test", "--package", "xtask", "--package", "header"]))?);
    Ok(tally)
}

/// The kernels by themselves, and then as the operators and the decoder call them: the same tests as on a card.
fn gpu() -> Outcome<Tally> {
    let mut tally = kernels::test()?;
    if kernels::compiler().is_some() {
        let mut tests = cargo_test_with(EMULATOR);
        tests.args(["--lib", "--", "--show-output"]);
        tests.args([
            "gpu::",
            "ops::",
            "tensor::",
            "weights::",
            "model::tests",
            "model::batch_tests",
            "model::card_tests",
        ]);
        tally.add(count(tests.env("TAILORA_TEST_DEVICE", "emulator"))?);
    }
    Ok(tally)
}

/// The C and C++ tests are driven by Rust tests, which compile them against the header and run them.
fn c() -> Outcome<Tally> {
    let mut tests = cargo_test();
    for name in integration_tests()?.iter().filter(|name| drives_c(name)) {
        tests.args(["--test", name]);
    }
    count(tests.args(["--", "--show-output"]))
}

fn drives_c(test: &str) -> bool {
    test.starts_with("c_") || test.starts_with("cpp_")
}

fn cargo_test() -> Command {
    cargo_test_with(FEATURES)
}

fn cargo_test_with(features: &str) -> Command {
    let mut command = cargo();
    command.args(["test", "--no-fail-fast", "--package", "tailora", "--features", features]);
    if let Some(python) = python::existing() {
        command.env(python::VARIABLE, python);
    }
    command
}

/// The names of `tests/*.rs`.
fn integration_tests() -> Outcome<Vec<String>> {
    let folder = root().join("tests");
    let entries = std::fs::read_dir(&folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let sources = paths.filter(|path| path.extension() == Some(OsStr::new("rs")));
    let mut names: Vec<String> = sources.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn dotnet() -> Outcome<Tally> {
    let Some(program) = find("dotnet") else {
        println!("SKIPPED: C# tests: there is no `dotnet` on the PATH; install the .NET SDK 10 and run again");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    };
    // The debug library, whose assertions and overflow checks are on, as the Rust tests have built it: `cargo build`
    // leaves the features of dev-dependencies out, and would compile every dependency again.
    run_command(cargo_test().args(["--no-run", "--test", "layers"]))?;
    let library = target().join("debug").join("deps").join(library::file_name());
    let mut tests = command(program);
    tests.args(["test", "--configuration", "Release"]).current_dir(root().join("bindings").join("dotnet"));
    count(tests.env("TAILORA_NATIVE_LIBRARY", library).env("DOTNET_CLI_UI_LANGUAGE", "en"))
}

/// Runs `command`, shows its output as it comes, counts the tests in it. A run that fails without naming a failed test
/// (it did not compile, it crashed) counts as one failure.
fn count(command: &mut Command) -> Outcome<Tally> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|err| cannot_start(command, &err))?;
    let mut counter = Counter::default();
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text.map_err(|err| format!("cannot read what the tests print: {err}"))?;
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end_matches('\r');
            if counter.read(text) {
                println!("{text}");
            }
        }
    }
    let status = child.wait().map_err(|err| format!("cannot wait for the tests: {err}"))?;
    let mut tally = counter.tally;
    if !status.success() {
        eprintln!("FAILED: {} ended with {status}", line(command));
        tally.failed = tally.failed.max(1);
    }
    Ok(tally)
}
