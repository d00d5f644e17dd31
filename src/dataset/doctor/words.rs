//! The words that the doctor goes by, from `words.yaml`.

use crate::options::read_yaml;
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Lists of words, folded.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub good: Vec<String>,
    pub bad: Vec<String>,
    /// One character each.
    #[serde(deserialize_with = "characters")]
    pub surnames: HashSet<char>,
    pub double_surnames: Vec<String>,
    /// Characters of given names.
    #[serde(deserialize_with = "characters")]
    pub given: HashSet<char>,
    pub no_names: HashSet<String>,
    pub titles: Vec<String>,
    pub introductions: Vec<String>,
    pub english_titles: HashSet<String>,
    pub first_names: HashSet<String>,
    pub pinyin_surnames: HashSet<String>,
    pub pinyin_given: HashSet<String>,
    pub name_fields: HashSet<String>,
    pub blanks: HashSet<String>,
}

fn characters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashSet<char>, D::Error> {
    Ok(String::deserialize(deserializer)?.chars().filter(|c| !c.is_whitespace()).collect())
}

static WORDS: LazyLock<Words> = LazyLock::new(|| read_yaml(include_str!("words.yaml")).unwrap_or_default());

pub(super) fn words() -> &'static Words {
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read() {
        let words: Words = read_yaml(include_str!("words.yaml")).unwrap();
        assert!(words.surnames.contains(&'王') && words.given.contains(&'伟') && words.good.len() > 20);
        let folded = |word: &String| *word == crate::dataset::fold::fold(word);
        assert!(words.good.iter().chain(&words.bad).chain(&words.titles).all(folded));
        assert!(words.blanks.iter().chain(&words.name_fields).chain(&words.no_names).all(folded));
    }
}
