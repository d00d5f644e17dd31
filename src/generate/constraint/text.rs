//! Strings of a schema as expressions, quoted as JSON quotes them: the short escapes only, so that no control character
//! ever gets into a text.

use super::pattern::{has_control_characters, translated};
use llguidance::derivre::{JsonQuoteOptions, RegexAst};

/// Which strings. Lengths are in characters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TextShape {
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    /// In the engine's syntax, found anywhere in the string.
    pub(super) patterns: Vec<String>,
    /// As `patterns`, and found nowhere in it.
    pub(super) not_patterns: Vec<String>,
    /// In the engine's syntax, the whole string.
    pub(super) formats: Vec<&'static str>,
    pub(super) excluded: Vec<String>,
}

impl TextShape {
    /// Whether only the length matters.
    pub(super) fn is_free(&self) -> bool {
        self.patterns.is_empty() && self.not_patterns.is_empty() && self.formats.is_empty() && self.excluded.is_empty()
    }

    /// Whether a pattern has control characters that strings are not written with. The engine would leave them out of it.
    pub(super) fn has_control_characters(&self) -> bool {
        self.patterns.iter().chain(&self.not_patterns).any(|pattern| has_control_characters(pattern))
    }

    /// What the strings have between their quotes, before anything is excluded.
    pub(super) fn unquoted(&self) -> RegexAst {
        let mut all: Vec<RegexAst> =
            self.patterns.iter().map(|pattern| RegexAst::SearchRegex(pattern.clone())).collect();
        all.extend(self.formats.iter().map(|format| RegexAst::Regex(format.to_string())));
        if all.is_empty() || self.min > 0 || self.max.is_some() {
            all.push(of_length(self.min, self.max));
        }
        RegexAst::And(all)
    }

    /// The strings with their quotes.
    pub(super) fn regex(&self) -> RegexAst {
        let mut quoted = vec![quote(self.unquoted())];
        let mut excluded: Vec<RegexAst> =
            self.not_patterns.iter().map(|pattern| quote(RegexAst::SearchRegex(pattern.clone()))).collect();
        excluded.extend(self.excluded.iter().map(|text| RegexAst::Literal(quoted_literal(text))));
        if !excluded.is_empty() {
            quoted.push(RegexAst::Not(Box::new(RegexAst::Or(excluded))));
        }
        RegexAst::And(quoted)
    }
}

pub(super) fn of_length(min: usize, max: Option<usize>) -> RegexAst {
    let most = max.and_then(|max| u32::try_from(max).ok()).unwrap_or(u32::MAX);
    let any = RegexAst::Regex("(?s:.)".to_string());
    RegexAst::Repeat(Box::new(any), min.min(u32::MAX as usize) as u32, most)
}

pub(super) fn quote(text: RegexAst) -> RegexAst {
    let options = JsonQuoteOptions { allowed_escapes: "nrt\\\"".to_string(), raw_mode: false };
    RegexAst::JsonQuote(Box::new(text), options)
}

/// A string exactly, also with characters that only `\u` escapes can write.
pub(super) fn quoted_literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a text has the pattern in it. An error for a pattern that is too dear to try.
pub(super) fn has_pattern(pattern: &str, text: &str) -> Result<bool, String> {
    matches(&RegexAst::SearchRegex(translated(pattern)?), text)
}

/// Whether a whole text is one of the expression's.
pub(super) fn matches(expression: &RegexAst, text: &str) -> Result<bool, String> {
    /// Of the engine, to try one text.
    const FUEL: u64 = 200_000;
    let mut builder = llguidance::derivre::RegexBuilder::new();
    let built = builder.mk(expression).and_then(|expression| builder.to_regex_limited(expression, FUEL));
    built.map(|mut regex| regex.is_match(text)).map_err(|_| "is too dear to try".to_string())
}

/// `format` → the strings that have it, as far as we write them; `""` for formats that say nothing about the text.
pub(super) fn format(name: &str) -> Option<&'static str> {
    let known = FORMATS.iter().find(|(names, _)| names.contains(&name));
    known.map(|(_, expression)| *expression)
}

/// The format that an unknown one was probably meant to be.
pub(super) fn nearest_format(name: &str) -> &'static str {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(known, &name.to_lowercase());
    let known = FORMATS.iter().flat_map(|(names, _)| names.iter().copied());
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("date")
}

macro_rules! date {
    () => {
        "[0-9]{3}[1-9]-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    };
}

macro_rules! time {
    () => {
        r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,7})?"
    };
}

macro_rules! zone {
    () => {
        "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
    };
}

macro_rules! label {
    () => {
        "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    };
}

macro_rules! ipv4 {
    () => {
        r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}

macro_rules! path {
    () => {
        r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*)*(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*)?(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*)?"
    };
}

/// JSON Schema's formats, OpenAPI's, and those that .NET's generators write. A format may have more strings than are
/// listed here (29 February, leap seconds); every listed one has it.
const FORMATS: &[(&[&str], &str)] = &[
    (&["date-time"], concat!(date!(), "T", time!(), zone!())),
    (&["date", "full-date"], date!()),
    (&["time", "full-time"], concat!(time!(), zone!())),
    (&["partial-time", "time-only"], time!()),
    (
        &["duration"],
        "P(?:[0-9]{1,6}W|(?:[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?|[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D)\
         (?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))?\
         |T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))",
    ),
    (
        &["time-span", "timespan"],
        r"-?(?:[1-9][0-9]{0,6}\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,7})?",
    ),
    (
        &["email", "idn-email"],
        concat!(
            r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,30})?@",
            label!(),
            r"(?:\.",
            label!(),
            "){1,2}"
        ),
    ),
    (&["hostname", "idn-hostname"], concat!(label!(), r"(?:\.", label!(), "){0,2}")),
    (&["ipv4", "ip-address"], ipv4!()),
    (
        &["ipv6"],
        "(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}|::(?:[0-9a-fA-F]{1,4})?",
    ),
    (&["uuid", "guid"], "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
    (
        &["uri", "url", "iri"],
        concat!(
            "(?:https?|ftp)://",
            label!(),
            r"(?:\.",
            label!(),
            "){0,3}(?::[1-9][0-9]{0,3})?",
            path!(),
            "|(?:mailto|urn):[A-Za-z0-9][A-Za-z0-9@.:-]*"
        ),
    ),
    (
        &["uri-reference", "iri-reference"],
        concat!(
            "(?:https?://",
            label!(),
            r"(?:\.",
            label!(),
            r"){0,3})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+(?:[?#][A-Za-z0-9._~=&/-]*)?"
        ),
    ),
    (&["json-pointer"], "(?:/(?:[^/~]|~[01])*)*"),
    (&["byte", "base64"], "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
    (&["relative-json-pointer"], "(?:0|[1-9][0-9]{0,2})(?:/(?:[^/~]|~[01])*)*"),
    (&["regex"], "[A-Za-z0-9 _]*"),
    (&["decimal", "int"], r"-?(?:0|[1-9][0-9]{0,14})"),
    // About the meaning of a text, or about how a program keeps a number: nothing that a text must look like.
    (
        &[
            "binary",
            "char",
            "double",
            "float",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "number",
            "integer",
            "string",
            "text",
            "password",
            "phone",
            "tel",
            "markdown",
            "html",
            "multiline",
            "color",
            "currency",
            "credit-card",
        ],
        "",
    ),
];
