//! The project published in each way that .NET knows: without a warning of what trimming would break, and run.

use super::project::{Project, is_a_report};
use crate::shell::Outcome;
use std::env::consts::EXE_SUFFIX;
use std::process::Command;

const WAYS: &[(&str, &[&str])] = &[
    ("framework-dependent", &["--self-contained", "false"]),
    ("single-file", &["--self-contained", "false", "-p:PublishSingleFile=true"]),
    ("trimmed", &["--self-contained", "true", "-p:PublishTrimmed=true", "-p:TrimmerSingleWarn=false"]),
    ("NativeAOT", &["-p:PublishAot=true", "-p:TrimmerSingleWarn=false"]),
];

pub fn every_way(project: &Project, rid: &str) -> Outcome {
    for (way, options) in WAYS {
        let mut publish = Command::new("dotnet");
        publish.args(["publish", "--runtime", rid, "--output", &format!("published/{way}")]).args(*options);
        // An SDK that has no network lacks what a console program does not need.
        let said = project.run(publish.arg("-p:DisableTransitiveFrameworkReferenceDownloads=true"))?;
        let warnings: Vec<&str> = said.lines().filter(|line| warns_of_il(line)).collect();
        if !warnings.is_empty() {
            return Err(format!("published {way} with warnings:\n{}", warnings.join("\n")));
        }
        let program = project.folder.join("published").join(way).join(format!("First{EXE_SUFFIX}"));
        let said = project.run(&mut Command::new(program))?;
        is_a_report(&said).map_err(|what| format!("published {way}: {what}"))?;
        println!("{way}: no IL warning; it ran");
    }
    Ok(())
}

/// `IL` and four digits, as in `warning IL2026`.
fn warns_of_il(line: &str) -> bool {
    line.match_indices("IL").any(|(at, _)| {
        let code = &line.as_bytes()[at + 2..];
        code.len() >= 4 && code[..4].iter().all(u8::is_ascii_digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn il_warnings_are_recognised() {
        assert!(warns_of_il("Program.cs(3): warning IL2026: Using member 'X' which has …"));
        assert!(!warns_of_il("ILC: Generating native code") && !warns_of_il("IL20"));
    }
}
