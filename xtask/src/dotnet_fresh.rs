//! `cargo xtask dotnet-fresh`: what the package's README promises to somebody who has nothing of ours yet. In an empty folder
//! outside of the repository, with the packages of `cargo xtask pack`: the README's program, pasted and run twice; published in
//! the ways .NET knows, each run; a program for .NET Framework, compiled.

mod net48;
mod project;
mod publish;

use crate::pack;
use crate::shell::{Outcome, create_dir, root};
use project::Project;
use std::path::{Path, PathBuf};

pub fn run() -> Outcome {
    let packages = Packages::find()?;
    let folder = std::env::temp_dir().join(format!("tailora-fresh-{}", std::process::id()));
    create_dir(&folder)?;
    let done = all(&packages, &folder);
    match &done {
        Ok(()) => drop(std::fs::remove_dir_all(&folder)),
        Err(_) => eprintln!("what was made is left in {}", folder.display()),
    }
    done
}

fn all(packages: &Packages, folder: &Path) -> Outcome {
    write(&folder.join("nuget.config"), &packages.sources())?;
    let project = first_minutes(folder)?;
    publish::every_way(&project, project::RID)?;
    net48::compile(packages, folder)
}

/// The README, followed literally.
fn first_minutes(folder: &Path) -> Outcome<Project> {
    let project = Project::new(folder, "First")?;
    project.dotnet(&["new", "console"])?;
    for package in ["Tailora".to_owned(), format!("Tailora.Native.{}", project::RID)] {
        project.dotnet(&["add", "package", &package])?;
    }
    write(&project.folder.join("Program.cs"), &readme_program()?)?;
    let samples = root().join("samples");
    let (model, rows) = (Path::new("models").join("tailora-tiny"), "talent_review.csv");
    copy_folder(&samples.join(&model), &project.folder.join(&model))?;
    copy(&samples.join("data").join(rows), &project.folder.join(rows))?;
    for time in ["first", "second"] {
        let said = project.dotnet(&["run"])?;
        project::is_a_report(&said).map_err(|what| format!("the README's program, run for the {time} time: {what}"))?;
    }
    Ok(project)
}

/// The first C# block of the README that is in the package.
fn readme_program() -> Outcome<String> {
    let path = root().join("bindings").join("dotnet").join("README.md");
    let text = std::fs::read_to_string(&path).map_err(|err| format!("cannot read {}: {err}", path.display()))?;
    let block = text.split_once("```csharp\n").and_then(|(_, rest)| rest.split_once("```"));
    block.map(|(program, _)| program.to_owned()).ok_or_else(|| format!("{} has no program", path.display()))
}

/// What `cargo xtask pack` made.
struct Packages {
    folder: PathBuf,
    names: Vec<String>,
}

impl Packages {
    fn find() -> Outcome<Self> {
        let folder = pack::folder();
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        let found = Packages { folder, names };
        if found.has(&format!("Tailora.Native.{}.", project::RID)) {
            return Ok(found);
        }
        Err(format!("{} has no packages for this system; `cargo xtask pack` makes them", found.folder.display()))
    }

    fn has(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix) && name.ends_with(".nupkg"))
    }

    /// A NuGet configuration with our packages; beside them the offline feed that `TAILORA_NUGET_FEED` names and nothing
    /// else, or else what this machine has.
    fn sources(&self) -> String {
        let feed = std::env::var("TAILORA_NUGET_FEED").ok().filter(|feed| !feed.is_empty());
        let others = feed.map(|feed| ("<clear />", format!("<add key=\"feed\" value=\"{feed}\" />")));
        let (clear, feed) = others.unwrap_or_default();
        let ours = self.folder.display();
        format!(
            "<configuration>\n  <packageSources>\n    {clear}\n    <add key=\"tailora\" value=\"{ours}\" />\n    {feed}\n  </packageSources>\n</configuration>\n"
        )
    }
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|err| format!("cannot write {}: {err}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to).map(drop).map_err(|err| format!("cannot copy {}: {err}", from.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    create_dir(to)?;
    let entries = std::fs::read_dir(from).map_err(|err| format!("cannot read {}: {err}", from.display()))?;
    entries.flatten().try_for_each(|entry| copy(&entry.path(), &to.join(entry.file_name())))
}
