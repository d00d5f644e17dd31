//! The paths and names of a document that should be in the repository.

use std::path::Path;

/// Files that a checklist tells to make, and words that are no names of ours.
const MADE_UP: [&str; 3] = ["NAME", "NOUN", "_v2"];

/// What a document names in backticks or links that is not there: a path without its file, and a name in capitals or of a
/// type or function that stands on a line with paths and is in none of them.
pub fn missing(text: &str, root: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let named = quoted.iter().copied().chain(links).filter(|word| !MADE_UP.iter().any(|made| word.contains(made)));
        let (paths, names): (Vec<&str>, Vec<&str>) = named.partition(|word| is_path(word));
        let mut texts = Vec::new();
        for path in paths {
            match root.join(path) {
                file if file.is_file() => texts.push(std::fs::read_to_string(file).unwrap_or_default()),
                folder if folder.is_dir() => {}
                _ => missing.push(format!("line {}: {path}", number + 1)),
            }
        }
        for name in names.into_iter().filter(|name| !texts.is_empty() && is_symbol(name)) {
            let last = name.rsplit("::").next().unwrap_or(name);
            if !texts.iter().any(|text| text.contains(last)) {
                missing.push(format!("line {}: {name}", number + 1));
            }
        }
    }
    missing
}

fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let known = [".rs", ".py", ".toml", ".txt", ".md", ".hpp", ".h"].iter().any(|ending| word.ends_with(ending));
    word.chars().all(plain) && (known || word.split('/').count() > 1)
}

/// `FAMILIES`, `DecoderConfig`, `worker::run`: not a word of a language or a file format.
fn is_symbol(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    plain && (word.contains("::") || word.contains('_') || word.starts_with(|c: char| c.is_ascii_uppercase()))
}
