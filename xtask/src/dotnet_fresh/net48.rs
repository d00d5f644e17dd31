//! A program for .NET Framework, in its default C# (7.3). It is compiled, and its folder looked into: running it needs Windows.

use super::project::Project;
use super::{Packages, write};
use crate::shell::Outcome;
use std::process::Command;

const PROJECT: &str = include_str!("net48/Net48.csproj");
const PROGRAM: &str = include_str!("net48/Program.cs");

pub fn compile(packages: &Packages, folder: &std::path::Path) -> Outcome {
    if !packages.has("Tailora.Native.win-x64.") {
        println!(
            "SKIPPED: .NET Framework: Tailora.Native.win-x64 is not packed; `cargo xtask pack windows` builds and packs it"
        );
        return Ok(());
    }
    let project = Project::new(folder, "Net48")?;
    write(&project.folder.join("Net48.csproj"), PROJECT)?;
    write(&project.folder.join("Program.cs"), PROGRAM)?;
    for package in ["Tailora", "Tailora.Native.win-x64"] {
        project.dotnet(&["add", "package", package])?;
    }
    project.dotnet(&["build", "--output", "built"])?;
    let built = project.folder.join("built");
    for file in ["Net48.exe", "Tailora.dll", "tailora_native.dll"] {
        if !built.join(file).is_file() {
            return Err(format!(".NET Framework: there is no {file} in the output folder {}", built.display()));
        }
    }
    println!(".NET Framework 4.8: compiled; the library is in the output folder");
    refuses_x86(&project)
}

fn refuses_x86(project: &Project) -> Outcome {
    let mut build = Command::new("dotnet");
    let (succeeded, said) = project.try_run(build.args(["build", "--output", "x86", "-p:PlatformTarget=x86"]))?;
    if succeeded || !said.contains("error TAILORA001") {
        return Err(format!(".NET Framework: a program for x86 was not refused:\n{said}"));
    }
    println!(".NET Framework 4.8: a program for x86 is refused");
    Ok(())
}
