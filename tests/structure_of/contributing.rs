//! The paths and names of a document that should be in the repository.

use std::path::{Path, PathBuf};

/// What a checklist tells to make or to name, and so is not there.
const MADE_UP: [&str; 3] = ["NAME", "NOUN", "noun"];

/// What a document names in backticks or links and that is not there: a path without its file, a name that the file it is
/// said to be in has not (`NAME` in `PATH`), and any other name of code that no source file has.
pub fn missing(text: &str, root: &Path) -> Vec<String> {
    let sources: Vec<String> = ["src", "include", "tests", "xtask"]
        .iter()
        .flat_map(|folder| files(&root.join(folder)))
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs" || ext == "hpp" || ext == "h"))
        .map(|path| std::fs::read_to_string(path).unwrap_or_default())
        .collect();
    let mut missing = Vec::new();
    for section in text.split("\n#") {
        let pieces: Vec<&str> = section.split('`').collect();
        let quoted = || pieces.iter().copied().enumerate().skip(1).step_by(2).filter(|(_, word)| !is_made_up(word));
        let links = section.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let paths: Vec<&str> = quoted().map(|(_, word)| word).chain(links).filter(|word| is_path(word)).collect();
        missing.extend(paths.iter().filter(|path| !is_there(path, &paths, root)).map(|path| (*path).to_owned()));
        for (at, name) in quoted().filter(|(_, word)| is_symbol(word)) {
            let last = name.rsplit("::").next().unwrap_or(name);
            let place = pieces.get(at + 2).filter(|place| pieces[at + 1].trim() == "in" && is_path(place));
            let found = match place {
                Some(place) => std::fs::read_to_string(root.join(place)).unwrap_or_default().contains(last),
                None => sources.iter().any(|text| text.contains(last)),
            };
            if !found {
                missing.push(place.map_or(name.to_owned(), |place| format!("{name} in {place}")));
            }
        }
    }
    missing
}

fn is_made_up(word: &str) -> bool {
    MADE_UP.iter().any(|made| word.contains(made))
}

/// A path from the root, or a file's name alone in a folder of one of the other paths.
fn is_there(path: &str, others: &[&str], root: &Path) -> bool {
    let beside = others.iter().filter_map(|other| Path::new(other).parent()).map(|folder| root.join(folder).join(path));
    root.join(path).exists() || (!path.contains('/') && beside.into_iter().any(|file| file.is_file()))
}

fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let known = [".rs", ".py", ".toml", ".txt", ".md", ".hpp", ".h"].iter().any(|ending| word.ends_with(ending));
    word.chars().all(plain) && (known || word.split('/').count() > 1)
}

/// `FAMILIES`, `DecoderConfig`, `worker::run`: not a word of a language or a command.
fn is_symbol(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    plain && (word.contains("::") || word.contains('_') || word.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
