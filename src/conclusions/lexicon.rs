//! The words by which free text is cut and its conclusions are told apart: `lexicon.yaml`, or a host's own.

use super::kind::Kind;
use crate::error::{Code, Error, Result};
use crate::files::read_bytes;
use crate::options::read_yaml;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A lexicon is typed by people.
const LARGEST_FILE: u64 = 1 << 20;

/// The lists of a lexicon. What a host's file leaves out is that of the built-in one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lexicon {
    recommendation: Option<Vec<String>>,
    risk: Option<Vec<String>>,
    strength: Option<Vec<String>>,
    abbreviations: Option<HashSet<String>>,
}

static BUILT_IN: LazyLock<Arc<Lexicon>> = LazyLock::new(|| {
    let lexicon: Lexicon = read_yaml(include_str!("lexicon.yaml")).unwrap_or_default();
    Arc::new(lexicon.folded())
});

impl Lexicon {
    /// That of `lexicon.yaml`.
    pub(crate) fn built_in() -> Arc<Lexicon> {
        BUILT_IN.clone()
    }

    /// That of a file in YAML or JSON, or the built-in one.
    ///
    /// # Errors
    /// `Io`; `InvalidOptions` for a file that is no lexicon.
    pub(crate) fn of(path: Option<&Path>) -> Result<Arc<Lexicon>> {
        let built_in = Self::built_in();
        let Some(path) = path else { return Ok(built_in) };
        let bad = |why: String| {
            let message = format!("the lexicon {} {why}", path.display());
            Error::new(Code::InvalidOptions, message).with("option", "lexicon").with_path(path)
        };
        let bytes = read_bytes(path, LARGEST_FILE)?;
        let text = String::from_utf8(bytes).map_err(|_| bad("is not UTF-8".to_owned()))?;
        let expected = "expected lists of words: `recommendation`, `risk`, `strength`, `abbreviations`";
        let own: Lexicon = read_yaml(&text).map_err(|err| {
            let place = err.details().get("line").cloned();
            bad(format!("{err}; {expected}")).with("line", place)
        })?;
        let lists = [&own.recommendation, &own.risk, &own.strength];
        if lists.into_iter().flatten().flatten().any(|word| word.trim().is_empty()) {
            return Err(bad(format!("has an empty word, which stands everywhere; {expected}")));
        }
        let own = own.folded();
        Ok(Arc::new(Lexicon {
            recommendation: own.recommendation.or_else(|| built_in.recommendation.clone()),
            risk: own.risk.or_else(|| built_in.risk.clone()),
            strength: own.strength.or_else(|| built_in.strength.clone()),
            abbreviations: own.abbreviations.or_else(|| built_in.abbreviations.clone()),
        }))
    }

    fn folded(self) -> Self {
        let lower = |words: Vec<String>| words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>();
        Lexicon {
            recommendation: self.recommendation.map(lower),
            risk: self.risk.map(lower),
            strength: self.strength.map(lower),
            abbreviations: self.abbreviations.map(|words| words.iter().map(|word| word.to_lowercase()).collect()),
        }
    }

    /// The kind that a conclusion announces by its words.
    pub(crate) fn kind(&self, conclusion: &str) -> Kind {
        let conclusion = conclusion.to_lowercase();
        let lists =
            [(Kind::Recommendation, &self.recommendation), (Kind::Risk, &self.risk), (Kind::Strength, &self.strength)];
        let says = |words: &Option<Vec<String>>| words.iter().flatten().any(|word| conclusion.contains(word.as_str()));
        lists.into_iter().find(|(_, words)| says(words)).map_or(Kind::Observation, |(kind, _)| kind)
    }

    /// Whether the full stop after this word ends no sentence.
    pub(crate) fn is_abbreviation(&self, word: &str) -> bool {
        self.abbreviations.as_ref().is_some_and(|words| words.contains(&word.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_the_words() {
        let lexicon = Lexicon::of(None).unwrap();
        for (sentence, kind) in [
            ("技术架构能力强。", Kind::Strength),
            ("跨团队协作是短板。", Kind::Risk),
            ("建议关注离职风险。", Kind::Recommendation),
            ("入职三年。", Kind::Observation),
            ("Strong engineer.", Kind::Strength),
            ("We recommend a stretch role.", Kind::Recommendation),
        ] {
            assert_eq!(lexicon.kind(sentence), kind, "{sentence}");
        }
        assert!(lexicon.is_abbreviation("Dr") && lexicon.is_abbreviation("e.g") && !lexicon.is_abbreviation("end"));
    }

    #[test]
    fn a_host_has_words_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lexicon.json");
        std::fs::write(&path, r#"{"strength": ["王牌", "ACE"]}"#).unwrap();
        let lexicon = Lexicon::of(Some(&path)).unwrap();
        assert_eq!(lexicon.kind("团队的王牌。"), Kind::Strength);
        assert_eq!(lexicon.kind("An ace."), Kind::Strength);
        assert_eq!(lexicon.kind("技术扎实。"), Kind::Observation);
        assert_eq!(lexicon.kind("有风险。"), Kind::Risk);
        for (text, words) in [("strong: [a]", "strong"), ("risk: [\"\"]", "empty word"), ("risk: {", "cannot be read")]
        {
            std::fs::write(&path, text).unwrap();
            let err = Lexicon::of(Some(&path)).unwrap_err();
            assert_eq!((err.code(), &err.details()["option"]), (Code::InvalidOptions, &"lexicon".into()), "{text}");
            assert!(err.message().contains(words), "{err}");
        }
        assert_eq!(Lexicon::of(Some(&dir.path().join("none"))).unwrap_err().code(), Code::Io);
    }
}
