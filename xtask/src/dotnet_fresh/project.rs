//! A project in a folder of its own, as a user has it: nothing of this repository is in its environment.

use crate::shell::{Outcome, announce, cannot_start, create_dir, line};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The platform that programs are published for: this one.
pub const RID: &str = if cfg!(windows) { "win-x64" } else { "linux-x64" };

pub struct Project {
    pub folder: PathBuf,
    /// Packages unpacked for this run alone: a version number that was packed before would be taken from the user's.
    cache: PathBuf,
}

impl Project {
    pub fn new(parent: &Path, name: &str) -> Outcome<Self> {
        let project = Project { folder: parent.join(name), cache: parent.join("cache") };
        create_dir(&project.folder)?;
        Ok(project)
    }

    /// What `dotnet` printed.
    pub fn dotnet(&self, args: &[&str]) -> Outcome<String> {
        self.run(Command::new("dotnet").args(args))
    }

    /// Runs it in the project's folder; what it printed, which a failure shows.
    pub fn run(&self, command: &mut Command) -> Outcome<String> {
        let (succeeded, said) = self.try_run(command)?;
        if succeeded { Ok(said) } else { Err(format!("{} failed:\n{said}", line(command))) }
    }

    /// Whether it succeeded, and what it printed.
    pub fn try_run(&self, command: &mut Command) -> Outcome<(bool, String)> {
        command.current_dir(&self.folder).env("NUGET_PACKAGES", &self.cache).env("DOTNET_CLI_UI_LANGUAGE", "en");
        // The library is to be found where the package puts it.
        command.env_remove("TAILORA_NATIVE_LIBRARY");
        announce(command);
        let output = command.output().map_err(|err| cannot_start(command, &err))?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok((output.status.success(), said.concat()))
    }
}

/// Whether the README's program got to its end: conclusions with their sources.
pub fn is_a_report(said: &str) -> Outcome {
    let conclusions = said.lines().filter(|line| line.contains('←')).count();
    if conclusions > 0 { Ok(()) } else { Err(format!("it ended well, but printed no conclusion:\n{said}")) }
}
