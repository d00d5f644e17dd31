//! Phrases that a text must not have, and what is to stand in their places.

use crate::error::{Code, Error, Result};
use crate::options::invalid;
use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More phrases are no house style.
const MOST_PHRASES: usize = 512;
const LONGEST_PHRASE: usize = 200;

/// A phrase that is never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BannedPhrase {
    /// The phrase; small and capital letters of ASCII are the same.
    pub phrase: String,
    /// What is written in its place where the model would have written the phrase; null lets the model find other words.
    #[serde(default)]
    pub instead: Option<String>,
}

/// Refuses phrases that cannot be kept to; the others, ready to be looked for, if there are any. `option` is the name of the list.
pub(crate) fn check(option: &str, phrases: &[BannedPhrase]) -> Result<Option<Banned>> {
    if phrases.len() > MOST_PHRASES {
        return Err(invalid(
            option,
            format!("a list of {}", phrases.len()),
            &format!("at most {MOST_PHRASES} phrases"),
        ));
    }
    let expected = format!("phrases of 1 to {LONGEST_PHRASE} characters that do not begin or end with white space");
    let is_bad = |text: &str| text.is_empty() || text.trim() != text || text.chars().count() > LONGEST_PHRASE;
    if let Some(bad) = phrases.iter().find(|banned| is_bad(&banned.phrase)) {
        return Err(invalid(option, format!("a list with {:?}", bad.phrase), &expected));
    }
    let Some(all) = Banned::new(phrases)? else { return Ok(None) };
    for BannedPhrase { phrase, instead } in phrases {
        let Some(instead) = instead else { continue };
        if is_bad(instead) {
            return Err(invalid(option, format!("a list with {instead:?} instead of `{phrase}`"), &expected));
        }
        if let Some(other) = all.find(instead.as_bytes()) {
            let found =
                format!("a list with `{instead}` instead of `{phrase}`, which has the banned `{}`", all.phrase(other));
            return Err(invalid(option, found, "words that are not banned themselves"));
        }
    }
    Ok(Some(all))
}

/// The phrases, ready to be looked for.
#[derive(Debug)]
pub(crate) struct Banned {
    phrases: Vec<BannedPhrase>,
    finder: AhoCorasick,
    longest: usize,
}

impl Banned {
    /// `None` if there are none.
    pub(crate) fn new(phrases: &[BannedPhrase]) -> Result<Option<Self>> {
        if phrases.is_empty() {
            return Ok(None);
        }
        let texts = phrases.iter().map(|banned| banned.phrase.as_bytes());
        let finder = AhoCorasick::builder().ascii_case_insensitive(true).build(texts);
        let finder = finder
            .map_err(|err| Error::new(Code::InvalidOptions, format!("the banned phrases are too many: {err}")))?;
        let longest = phrases.iter().map(|banned| banned.phrase.len()).max().unwrap_or(0);
        Ok(Some(Banned { phrases: phrases.to_vec(), finder, longest }))
    }

    /// The index of a phrase that a text has.
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        self.finder.find(text).map(|found| found.pattern().as_usize())
    }

    pub(crate) fn phrase(&self, index: usize) -> &str {
        &self.phrases[index].phrase
    }

    pub(crate) fn instead(&self, index: usize) -> Option<&str> {
        self.phrases[index].instead.as_deref()
    }

    /// Bytes of the longest phrase.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether something stands in the place of any.
    pub(crate) fn replaces(&self) -> bool {
        self.phrases.iter().any(|banned| banned.instead.is_some())
    }

    /// The phrases whose beginnings may have to be taken back.
    pub(crate) fn replaced(&self) -> Vec<String> {
        self.phrases.iter().filter(|banned| banned.instead.is_some()).map(|banned| banned.phrase.clone()).collect()
    }
}
