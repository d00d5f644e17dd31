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

/// How a company writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesOptions {
    /// Phrases that are never written: `[{"phrase": "有待提升", "instead": "可进一步加强"}]`, as the option `banned` of generation.
    pub banned: Vec<BannedPhrase>,
    /// What must be mentioned of whom: `[{"when": {"field": "潜力", "equals": "高"}, "mention": ["继任者计划"]}]`. It is checked once the report is written; what is missing is a violation.
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
        for RequiredMention { when, mention } in &self.required {
            if mention.is_empty() || mention.iter().any(|phrase| phrase.trim().is_empty()) {
                return Err(invalid("rules.required", "a rule that mentions nothing", "`mention`: a list of phrases"));
            }
            when.iter().try_for_each(Condition::check)?;
            let is_banned =
                |phrase: &&String| banned.as_ref().is_some_and(|banned| banned.find(phrase.as_bytes()).is_some());
            if let Some(phrase) = mention.iter().find(is_banned) {
                let found = format!("a rule that mentions `{phrase}`");
                return Err(invalid("rules.required", found, "what is not banned"));
            }
        }
        Ok(())
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
        let holds = |rule: &&RequiredMention| rule.when.as_ref().is_none_or(|when| when.holds(fields));
        for RequiredMention { when, mention } in self.required.iter().filter(holds) {
            let lacks = |phrase: &&String| !texts.iter().any(|text| text.contains(phrase.as_str()));
            let missing: Vec<&String> = mention.iter().filter(lacks).collect();
            if !missing.is_empty() {
                let field = when.as_ref().map(|when| &when.field);
                violations.push(json!({ "rule": "required", "phrases": missing, "field": field }));
            }
        }
        Ok(violations)
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
