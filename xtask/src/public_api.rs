//! `cargo xtask public-api`: writes down what is public in C# and not in a release yet, `PublicAPI.Unshipped.txt` beside each
//! project that has one. The build fails where that file is not the truth; this makes it so, to be read before it is committed.

use crate::shell::{Outcome, announce, cannot_start, command, dotnet, root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FILE: &str = "PublicAPI.Unshipped.txt";
const HEAD: &str = "#nullable enable\n";

pub fn run() -> Outcome {
    let dotnet = dotnet()?;
    let projects = root().join("bindings").join("dotnet").join("src");
    let entries = std::fs::read_dir(&projects).map_err(|err| format!("cannot read {}: {err}", projects.display()))?;
    let files = entries.flatten().map(|entry| entry.path().join(FILE)).filter(|path| path.is_file());
    files.collect::<Vec<PathBuf>>().iter().try_for_each(|file| write_down(&dotnet, file))
}

/// The analyzer names whatever is public and not written down, so nothing is, for one build.
fn write_down(dotnet: &Path, file: &Path) -> Outcome {
    let write =
        |text: &str| std::fs::write(file, text).map_err(|err| format!("cannot write {}: {err}", file.display()));
    let before = std::fs::read_to_string(file).map_err(|err| format!("cannot read {}: {err}", file.display()))?;
    write(HEAD)?;
    let found = undeclared(dotnet, file.parent().unwrap_or(root()));
    let Ok(found) = found else { return write(&before).and(found.map(drop)) };
    write(&found.iter().fold(HEAD.to_owned(), |text, line| text + line + "\n"))?;
    println!("{}: {} lines", file.display(), found.len());
    Ok(())
}

fn undeclared(dotnet: &Path, project: &Path) -> Outcome<BTreeSet<String>> {
    let mut build = command(dotnet);
    build.args(["build", "--no-incremental", "--nologo", "-p:TreatWarningsAsErrors=false"]).current_dir(project);
    build.env("DOTNET_CLI_UI_LANGUAGE", "en");
    announce(&build);
    let output = build.output().map_err(|err| cannot_start(&build, &err))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("the build failed:\n{said}"));
    }
    Ok(said.lines().filter_map(symbol).map(str::to_owned).collect())
}

fn symbol(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("RS0016: Symbol '")?;
    Some(rest.rsplit_once("' is not part of the declared public API")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_read_from_what_the_build_says() {
        let line = "/a/B.cs(1,2): warning RS0016: Symbol 'T.B.Say(char c = 'x') -> void' is not part of the declared public API (https://h) [B.csproj]";
        assert_eq!(symbol(line), Some("T.B.Say(char c = 'x') -> void"));
        assert_eq!(symbol("Build succeeded."), None);
    }
}
