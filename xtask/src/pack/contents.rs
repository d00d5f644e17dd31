//! What is in a package, compared with the committed list of it: nothing gets into one, or is lost from it, unseen.

use super::archive;
use crate::shell::{Outcome, create_dir, root};
use std::path::Path;

/// NuGet names this entry anew each time.
const PROPERTIES: &str = "package/services/metadata/core-properties/";

/// What is wrong with `file`, if anything is. A package without symbols has neither the file nor a list.
pub fn check(file: &Path, name: &str, write: bool) -> Outcome<Option<String>> {
    let folder = root().join("bindings").join("dotnet").join("packages").join("contents");
    let list = folder.join(format!("{name}.txt"));
    let found = if file.exists() { listed(file)? } else { String::new() };
    if write {
        create_dir(&folder)?;
        if !found.is_empty() {
            std::fs::write(&list, found).map_err(|err| format!("cannot write {}: {err}", list.display()))?;
        }
        return Ok(None);
    }
    let expected = std::fs::read_to_string(&list).unwrap_or_default();
    Ok(difference(&expected, &found).map(|lines| format!("{name} is not what {} says:\n{lines}", list.display())))
}

fn listed(file: &Path) -> Outcome<String> {
    let bytes = std::fs::read(file).map_err(|err| format!("cannot read {}: {err}", file.display()))?;
    let names = archive::names(&bytes).ok_or_else(|| format!("{} is no zip archive", file.display()))?;
    let mut names: Vec<String> = names.into_iter().map(stable).collect();
    names.sort();
    Ok(names.join("\n") + "\n")
}

fn stable(name: String) -> String {
    if name.starts_with(PROPERTIES) { format!("{PROPERTIES}*.psmdcp") } else { name }
}

/// Lines that only one of the two has, as a patch would show them.
fn difference(expected: &str, found: &str) -> Option<String> {
    let only = |sign: char, of: &str, other: &str| {
        let lines = of.lines().filter(|line| other.lines().all(|theirs| theirs != *line));
        lines.map(|line| format!("  {sign} {line}")).collect::<Vec<_>>()
    };
    let lines = [only('-', expected, found), only('+', found, expected)].concat();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_too_many_and_one_too_few_are_named() {
        assert_eq!(difference("a\nb\n", "b\na\n"), None);
        assert_eq!(difference("a\nb\n", "b\nc\n").unwrap(), "  - a\n  + c");
    }

    #[test]
    fn names_that_change_each_time_are_left_out() {
        assert_eq!(stable(format!("{PROPERTIES}0f3.psmdcp")), format!("{PROPERTIES}*.psmdcp"));
        assert_eq!(stable("README.md".to_owned()), "README.md");
    }
}
