//! `cargo xtask kernels [--write]`: what the GPU's kernels take of a multiprocessor, as NVIDIA's assembler says, and whether
//! any of them spills more registers than `tests/kernels/spills.txt` knows of. A change of a loop or of the compiler makes a
//! kernel spill without anyone seeing it until it is slow.

use crate::cuda::toolkit;
use crate::shell::{Outcome, announce, command, create_dir, root, target};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The oldest that is built for, and the one that is measured on.
const ARCHITECTURES: [&str; 2] = ["80", "90"];

/// By kernel and architecture.
type Table = BTreeMap<(String, String), Usage>;

/// What a kernel takes, a thread or a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    registers: u64,
    shared: u64,
    /// Bytes of registers that are written to memory.
    spills: u64,
}

pub fn run_task(args: &[String]) -> Outcome {
    let write = match args {
        [] => false,
        [write] if write == "--write" => true,
        other => return Err(format!("unknown arguments {other:?}; there is --write")),
    };
    let mut table = Table::new();
    let nvcc = toolkit()?.join("bin").join("nvcc");
    for source in sources(&root().join("src"))? {
        read(&compiled(&nvcc, &source)?, &mut table);
    }
    println!("{:<44}{:>4}{:>11}{:>9}{:>9}", "kernel", "sm", "registers", "shared", "spills");
    for ((kernel, architecture), Usage { registers, shared, spills }) in &table {
        println!("{kernel:<44}{architecture:>4}{registers:>11}{shared:>9}{spills:>9}");
    }
    let path = root().join("tests").join("kernels").join("spills.txt");
    if write {
        let lines: String = table.iter().filter(|(_, usage)| usage.spills > 0).map(line).collect();
        return std::fs::write(&path, lines).map_err(|err| format!("cannot write {}: {err}", path.display()));
    }
    let known = std::fs::read_to_string(&path).map_err(|err| format!("cannot read {}: {err}", path.display()))?;
    match beyond(&table, &known) {
        spilling if spilling.is_empty() => Ok(()),
        spilling => Err(format!("spill more than {} says:\n{spilling}", path.display())),
    }
}

/// A line of the file: kernel, architecture, bytes.
fn line(((kernel, architecture), usage): (&(String, String), &Usage)) -> String {
    format!("{kernel} {architecture} {}\n", usage.spills)
}

/// The lines of kernels that spill more than is known.
fn beyond(table: &Table, known: &str) -> String {
    let allowed = |kernel: &str, architecture: &str| {
        let mut lines = known.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines.find_map(|words| match words[..] {
            [name, of, bytes] if (name, of) == (kernel, architecture) => bytes.parse::<u64>().ok(),
            _ => None,
        })
    };
    let is_beyond = |((kernel, architecture), usage): &(&(String, String), &Usage)| {
        usage.spills > allowed(kernel, architecture).unwrap_or(0)
    };
    table.iter().filter(is_beyond).map(line).collect()
}

/// All files of kernels below a folder.
fn sources(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|err| format!("cannot read {}: {err}", folder.display()))?;
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "cu") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What the assembler says of a file's kernels.
fn compiled(nvcc: &Path, source: &Path) -> Outcome<String> {
    let folder = target().join("kernels");
    create_dir(&folder)?;
    let mut command = command(nvcc);
    command.args(["-fatbin", "-std=c++17", "-O3", "-Xptxas", "-v", "-I"]).arg(root().join("src").join("gpu"));
    for architecture in ARCHITECTURES {
        command.arg("-gencode").arg(format!("arch=compute_{architecture},code=sm_{architecture}"));
    }
    command.arg(source).arg("-o").arg(folder.join("registers.fatbin"));
    announce(&command);
    let output = command.output().map_err(|err| format!("cannot start nvcc: {err}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{} does not compile:\n{said}", source.display())) }
}

/// Adds what `ptxas -v` printed.
fn read(said: &str, table: &mut Table) {
    let mut of = None;
    for line in said.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            of = rest.split_once("' for 'sm_").map(|(kernel, rest)| {
                (kernel.to_owned(), rest.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned())
            });
        }
        let Some(key) = &of else { continue };
        let number = |what: &str| {
            let part = line.split([',', ':']).find(|part| part.trim_end().ends_with(what))?;
            part.split_whitespace().find_map(|word| word.parse::<u64>().ok())
        };
        let usage = table.entry(key.clone()).or_default();
        usage.registers = number("registers").unwrap_or(usage.registers);
        usage.shared = number("bytes smem").unwrap_or(usage.shared);
        usage.spills = number("bytes spill stores").unwrap_or(usage.spills);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one_bf16' for 'sm_90'
ptxas info    : Function properties for one_bf16
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 8 bytes cumulative stack size, 32768 bytes smem
ptxas info    : Compile time = 1.5 ms
ptxas info    : Compiling entry function 'other_f32' for 'sm_80'
ptxas info    : Function properties for other_f32
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 16 registers, used 0 barriers
";

    #[test]
    fn what_the_assembler_says_is_read_and_held_against_what_is_known() {
        let mut table = Table::new();
        read(SAID, &mut table);
        let of = |kernel: &str, architecture: &str| table[&(kernel.to_owned(), architecture.to_owned())];
        assert_eq!(of("one_bf16", "90"), Usage { registers: 128, shared: 32768, spills: 12 });
        assert_eq!(of("other_f32", "80"), Usage { registers: 16, shared: 0, spills: 0 });
        assert_eq!(beyond(&table, "one_bf16 80 12\n"), "one_bf16 90 12\n");
        assert_eq!(beyond(&table, "one_bf16 90 11\n"), "one_bf16 90 12\n");
        assert_eq!(beyond(&table, "one_bf16 90 12\n"), "");
    }
}
