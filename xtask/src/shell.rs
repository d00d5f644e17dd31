//! Running programs: where the repository is, what is on the PATH, and a failure that names the command.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a task returns; the error is one message for a person.
pub type Outcome<T = ()> = Result<T, String>;

/// The repository's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The cargo that runs this task, in the repository's root.
pub fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `program`, to be run in the repository's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Says what is run, runs it, and fails if it fails.
pub fn run(command: &mut Command) -> Outcome {
    announce(command);
    let status = command.status().map_err(|err| cannot_start(command, &err))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", line(command))) }
}

/// Runs it quietly; its standard output, trimmed.
pub fn output(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|err| cannot_start(command, &err))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", line(command), output.status));
    }
    String::from_utf8(output.stdout)
        .map(|text| text.trim().to_owned())
        .map_err(|_| format!("{} printed text that is not UTF-8", line(command)))
}

/// Shows the command on standard error, which keeps standard output for results.
pub fn announce(command: &Command) {
    eprintln!("$ {}", line(command));
}

/// The error of a program that could not even be started.
pub fn cannot_start(command: &Command, err: &std::io::Error) -> String {
    format!("cannot start {}: {err}", command.get_program().to_string_lossy())
}

/// The command as a person would type it; a program inside the toolchain by its name alone.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The first `name` on the PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(&file)).find(|path| path.is_file())
}

/// The .NET SDK's program.
pub fn dotnet() -> Outcome<PathBuf> {
    find("dotnet").ok_or_else(|| "there is no `dotnet` on the PATH; install the .NET SDK 10".to_owned())
}

/// Makes a folder and those above it.
pub fn create_dir(path: &Path) -> Outcome {
    std::fs::create_dir_all(path).map_err(|err| format!("cannot create {}: {err}", path.display()))
}
