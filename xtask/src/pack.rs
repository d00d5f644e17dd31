//! `cargo xtask pack [windows] [--library FILE] [--write]`: the NuGet packages, in `target/packages`.
//!
//! A native package is made from a library that is built here: this system's by this task, the Windows one on Linux by
//! `pack windows`, or by an earlier `cargo xtask windows`. What cannot be packed here is said.

mod archive;
mod contents;
mod links;
mod native;

use crate::shell::{Outcome, command, create_dir, dotnet, root, run as run_command, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each has a project of its name in `bindings/dotnet/src`.
const PACKAGES: &[Package] = &[
    Package { name: "Tailora", library: None },
    Package { name: "Tailora.Extensions.AI", library: None },
    Package { name: "Tailora.Native.linux-x64", library: Some(native::linux) },
    Package { name: "Tailora.Native.win-x64", library: Some(native::windows) },
];

struct Package {
    name: &'static str,
    /// The native library inside.
    library: Option<native::Source>,
}

/// What a user may ask for.
#[derive(Default)]
struct Wishes {
    /// Cross-build the Windows DLL.
    windows: bool,
    /// Pack this file as this system's library, one built for CUDA for example.
    library: Option<PathBuf>,
    /// Write down what is in the packages, where it is otherwise compared.
    write: bool,
}

pub fn run(args: &[String]) -> Outcome {
    let wishes = parse(args)?;
    let dotnet = dotnet()?;
    let version = version()?;
    links::check()?;
    let folder = folder();
    // Packages of another day would be taken for today's.
    let _ = std::fs::remove_dir_all(&folder);
    create_dir(&folder)?;
    let (mut wrong, mut skipped) = (Vec::new(), Vec::new());
    for package in PACKAGES {
        let mut pack = pack(&dotnet, package.name, &folder);
        if let Some(library) = package.library {
            match library(&wishes)? {
                native::Library::At(path) => drop(pack.arg(format!("-p:NativeLibrary={}", path.display()))),
                native::Library::NotHere(why) => {
                    skipped.push(format!("SKIPPED: {}: {why}", package.name));
                    continue;
                }
            }
        }
        run_command(&mut pack)?;
        for kind in ["nupkg", "snupkg"] {
            let file = folder.join(format!("{}.{version}.{kind}", package.name));
            wrong.extend(contents::check(&file, &format!("{}.{kind}", package.name), wishes.write)?);
        }
    }
    println!("\n{}: version {version}", folder.display());
    skipped.iter().for_each(|line| println!("{line}"));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Where packages are put, and installed from.
pub fn folder() -> PathBuf {
    target().join("packages")
}

fn parse(args: &[String]) -> Outcome<Wishes> {
    let mut wishes = Wishes::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "windows" => wishes.windows = true,
            "--write" => wishes.write = true,
            "--library" => {
                let path = args.next().ok_or("--library wants a file")?;
                let path = std::path::absolute(path).map_err(|err| format!("{path}: {err}"))?;
                wishes.library = Some(path);
            }
            other => return Err(format!("`{other}` is none of: windows, --library FILE, --write")),
        }
    }
    Ok(wishes)
}

fn pack(dotnet: &Path, name: &str, folder: &Path) -> Command {
    let project = root().join("bindings").join("dotnet").join("src").join(name).join(format!("{name}.csproj"));
    let mut pack = command(dotnet);
    pack.args(["pack", "--configuration", "Release", "--nologo", "-p:ContinuousIntegrationBuild=true", "--output"]);
    pack.arg(folder).arg(project);
    pack
}

/// That of the packages, which is the library's.
fn version() -> Outcome<String> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|err| format!("cannot read {}: {err}", path.display()));
    let library = read(&root().join("Cargo.toml"))?;
    let binding = read(&root().join("bindings").join("dotnet").join("Directory.Build.props"))?;
    let library = between(&library, "\nversion = \"", "\"").ok_or("Cargo.toml has no version")?;
    let binding = between(&binding, "<Version>", "</Version>").ok_or("Directory.Build.props has no <Version>")?;
    if library == binding {
        return Ok(binding.to_owned());
    }
    Err(format!(
        "Cargo.toml has version {library} and bindings/dotnet/Directory.Build.props {binding}; both are one release"
    ))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binding_and_the_library_have_one_version() {
        version().unwrap();
    }

    #[test]
    fn wishes_are_read() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let wishes = parse(&words("windows --library a/b.so --write")).unwrap();
        assert!(wishes.windows && wishes.write && wishes.library.unwrap().is_absolute());
        assert!(parse(&words("--library")).is_err() && parse(&words("linux")).is_err());
    }
}
