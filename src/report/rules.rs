//! House rules: what a report must not say, and what it must say of whom.

use crate::error::Result;
use crate::fields::Fields;
use crate::generate::{Banned, BannedPhrase, check_banned};
use crate::options::invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// More rules are no house style.
const MOST_RULES: usize = 256;
/// In characters; longer ones are no sentence.
const LONGEST_SENTENCE: usize = 500;

/// How a company writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesOptions {
    /// Phrases that are never written: `[{"phrase": "有待提升", "instead": "可进一步加强"}]`, as the option `banned` of generation.
    pub banned: Vec<BannedPhrase>,
    /// What must be mentioned of whom: `[{"when": {"field": "潜力", "equals": "高"}, "mention": ["继任者计划"], "write": "建议纳入继任者计划。"}]`. Where a report lacks it, that is written; what cannot be is a violation.
    pub required: Vec<RequiredMention>,
}

/// What must be mentioned in a report on certain cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequiredMention {
    /// Of which cases; null means of all.
    #[serde(default)]
    pub when: Option<Condition>,
    /// What must be mentioned, all of it.
    pub mention: Vec<String>,
    /// The sentence that is written where a report lacks any of it, with all of it; null writes the phrases that are missing, and an empty text nothing.
    #[serde(default)]
    pub write: Option<String>,
}

/// What a report lacks under a rule.
pub(super) struct Missing<'r> {
    rule: &'r RequiredMention,
    pub(super) phrases: Vec<&'r str>,
}

impl Missing<'_> {
    /// The field for whose value it is required; `None` where it is in any case.
    pub(super) fn field(&self) -> Option<&str> {
        Some(self.rule.when.as_ref()?.field.trim())
    }

    /// What is to be written; `None` for nothing.
    pub(super) fn sentence(&self) -> Option<String> {
        match self.rule.write {
            None => Some(sentence_of(&self.phrases)),
            Some(_) => self.rule.sentence().map(str::to_owned),
        }
    }
}

/// Phrases that stand for themselves.
fn sentence_of(phrases: &[&str]) -> String {
    let is_chinese = phrases.iter().flat_map(|phrase| phrase.chars()).any(|c| c >= '\u{2E80}');
    if is_chinese { phrases.join("、") + "。" } else { phrases.join(", ") + "." }
}

/// Cases that have a value in a field: `equals` or `contains`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The name of the field.
    pub field: String,
    /// Its value.
    #[serde(default)]
    pub equals: Option<String>,
    /// A part of its value.
    #[serde(default)]
    pub contains: Option<String>,
}

impl RulesOptions {
    pub(super) fn is_empty(&self) -> bool {
        self.banned.is_empty() && self.required.is_empty()
    }

    /// The phrases that are kept out of a text, with those that its generation bans anyway.
    pub(super) fn banned_with(&self, others: &[BannedPhrase]) -> Vec<BannedPhrase> {
        [others, &self.banned].concat()
    }

    /// Refuses rules that cannot all be kept; `others` are phrases that generation bans anyway.
    pub(super) fn check(&self, others: &[BannedPhrase]) -> Result<()> {
        let all = self.banned_with(others);
        let banned = check_banned("rules.banned", &all)?;
        if self.required.len() > MOST_RULES {
            let expected = format!("at most {MOST_RULES} rules");
            return Err(invalid("rules.required", format!("a list of {}", self.required.len()), &expected));
        }
        let has_banned = |text: &str| banned.as_ref().is_some_and(|banned| banned.find(text.as_bytes()).is_some());
        self.required.iter().try_for_each(|rule| rule.check(has_banned))
    }

    /// What the texts of a report on a case break.
    pub(super) fn violations(&self, fields: &Fields, texts: &[&str]) -> Result<Vec<Value>> {
        let mut violations = Vec::new();
        let banned = Banned::new(&self.banned)?;
        let phrase_in = |banned: &Banned, text: &str| Some(banned.phrase(banned.find(text.as_bytes())?).to_owned());
        let found = banned.iter().flat_map(|banned| texts.iter().filter_map(|text| phrase_in(banned, text)));
        let found: BTreeSet<String> = found.collect();
        if !found.is_empty() {
            violations.push(json!({ "rule": "banned", "phrases": found, "field": null }));
        }
        for rule in &self.required {
            let missing = rule.missing(fields, texts);
            violations
                .extend(missing.map(
                    |missing| json!({ "rule": "required", "phrases": missing.phrases, "field": missing.field() }),
                ));
        }
        Ok(violations)
    }
}

impl RequiredMention {
    /// Its own sentence, if it has one.
    fn sentence(&self) -> Option<&str> {
        self.write.as_deref().map(str::trim).filter(|sentence| !sentence.is_empty())
    }

    /// Refuses a rule that cannot be kept.
    fn check(&self, has_banned: impl Fn(&str) -> bool) -> Result<()> {
        let RequiredMention { when, mention, write } = self;
        if mention.is_empty() || mention.iter().any(|phrase| phrase.trim().is_empty()) {
            return Err(invalid("rules.required", "a rule that mentions nothing", "`mention`: a list of phrases"));
        }
        when.iter().try_for_each(Condition::check)?;
        if let Some(phrase) = mention.iter().chain(write).find(|text| has_banned(text)) {
            let found = format!("a rule that mentions `{phrase}`");
            return Err(invalid("rules.required", found, "what is not banned"));
        }
        let Some(sentence) = self.sentence() else { return Ok(()) };
        if sentence.chars().count() > LONGEST_SENTENCE || sentence.chars().any(char::is_control) {
            let found = format!("a rule that writes {} characters", sentence.chars().count());
            return Err(invalid(
                "rules.required",
                found,
                &format!("one line of at most {LONGEST_SENTENCE} characters"),
            ));
        }
        match mention.iter().find(|phrase| !sentence.contains(phrase.as_str())) {
            Some(phrase) => {
                let found = format!("a rule that writes `{sentence}`");
                Err(invalid("rules.required", found, &format!("a sentence with `{phrase}`, which it mentions")))
            }
            None => Ok(()),
        }
    }

    /// What texts of a report on a case lack, if the rule is on such a case.
    pub(super) fn missing(&self, fields: &Fields, texts: &[&str]) -> Option<Missing<'_>> {
        if self.when.as_ref().is_some_and(|when| !when.holds(fields)) {
            return None;
        }
        let lacks = |phrase: &&str| !texts.iter().any(|text| text.contains(*phrase));
        let phrases: Vec<&str> = self.mention.iter().map(String::as_str).filter(lacks).collect();
        (!phrases.is_empty()).then_some(Missing { rule: self, phrases })
    }
}

impl Condition {
    fn check(&self) -> Result<()> {
        let given = [&self.equals, &self.contains].into_iter().flatten();
        let found = match given.clone().count() {
            1 if given.clone().any(|value| value.trim().is_empty()) => "an empty value",
            1 => return Ok(()),
            0 => "neither of `equals` and `contains`",
            _ => "both of `equals` and `contains`",
        };
        let found = format!("a rule on the field `{}` with {found}", self.field);
        Err(invalid("rules.required", found, "one of the two, not empty"))
    }

    fn holds(&self, fields: &Fields) -> bool {
        let Some(field) = fields.iter().find(|field| field.name == self.field.trim()) else { return false };
        let value = field.value.trim();
        self.equals.as_deref().is_some_and(|equals| value == equals.trim())
            || self.contains.as_deref().is_some_and(|part| value.contains(part))
    }
}
