//! Module names and the patterns that select them, with PEFT's meaning (`peft/utils/other.py`, `tuners_utils.py`).
//!
//! PEFT matches with Python's `re`. `fancy-regex` understands the same syntax, look-around and back-references included;
//! patterns come from files of unknown origin, so length, compiled size and backtracking are bounded.

use crate::error::{Code, Error, Result};
use fancy_regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::marker::PhantomData;

/// Longest pattern accepted, in bytes; module names have about 40.
const MAX_PATTERN_LEN: usize = 4096;
/// Steps of backtracking allowed for one match against one module name.
const MAX_BACKTRACKING: usize = 20_000;
/// Compiled size of one pattern, in bytes.
const MAX_COMPILED_SIZE: usize = 1 << 20;

/// A compiled pattern that can only end in yes, no or an error: never in minutes of backtracking.
#[derive(Debug)]
pub(crate) struct ModulePattern {
    source: String,
    regex: Regex,
}

impl ModulePattern {
    /// Python's `re.fullmatch(pattern, name)`.
    pub(crate) fn full(pattern: &str) -> Result<Self> {
        Self::compile(pattern, &format!(r"\A(?:{pattern})\z"))
    }

    /// PEFT's `get_pattern_key`: the whole name, or what follows one of its dots.
    pub(crate) fn key(pattern: &str) -> Result<Self> {
        Self::compile(pattern, &format!(r"\A(?:(.*\.)?({pattern})\z)"))
    }

    /// PEFT's `layers_pattern`: the name of the list of layers, before the layer's number.
    pub(crate) fn layers(pattern: &str) -> Result<Self> {
        Self::compile(pattern, &format!(r"\A(?:(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.)"))
    }

    fn compile(source: &str, wrapped: &str) -> Result<Self> {
        if source.len() > MAX_PATTERN_LEN {
            return Err(Error::new(
                Code::Unsupported,
                format!("a module pattern has {} bytes; at most {MAX_PATTERN_LEN} are supported", source.len()),
            ));
        }
        let regex = RegexBuilder::new(wrapped)
            .backtrack_limit(MAX_BACKTRACKING)
            .delegate_size_limit(MAX_COMPILED_SIZE)
            .build()
            .map_err(|err| pattern_error(source, &err))?;
        Ok(ModulePattern { source: source.to_owned(), regex })
    }

    /// Whether `name` matches.
    pub(crate) fn is_match(&self, name: &str) -> Result<bool> {
        self.regex.is_match(name).map_err(|err| pattern_error(&self.source, &err))
    }

    /// The number captured as `idx` by a pattern made with [`ModulePattern::layers`].
    pub(crate) fn layer_index(&self, name: &str) -> Result<Option<usize>> {
        let captures = self.regex.captures(name).map_err(|err| pattern_error(&self.source, &err))?;
        Ok(captures.and_then(|found| found.name("idx").and_then(|index| index.as_str().parse().ok())))
    }
}

fn pattern_error(pattern: &str, err: &fancy_regex::Error) -> Error {
    let message = format!("the module pattern `{pattern}` cannot be used: {}", reason(err));
    Error::new(Code::InvalidOptions, message).with("pattern", pattern)
}

/// One line: what the engine lacks by name, else what it says without the picture of the pattern.
fn reason(err: &fancy_regex::Error) -> String {
    use fancy_regex::CompileError::{FeatureNotYetSupported, InnerError, LookBehindNotConst};
    use fancy_regex::Error::{CompileError, RuntimeError};
    let text = match err {
        CompileError(inner) => match &**inner {
            LookBehindNotConst => {
                return "look-behind of a length that is not known beforehand is not supported".to_owned();
            }
            FeatureNotYetSupported(feature) => return format!("{feature} is not supported"),
            InnerError(inner) => inner.source().map_or_else(|| inner.to_string(), ToString::to_string),
            other => other.to_string(),
        },
        RuntimeError(_) => return "it needs too much backtracking; write it without nested repetitions".to_owned(),
        other => other.to_string(),
    };
    // The engine below draws the pattern and says last what is wrong with it.
    let last = text.lines().rev().find_map(|line| line.trim().strip_prefix("error: "));
    last.or_else(|| text.lines().next()).unwrap_or_default().to_owned()
}

/// `rank_pattern` and `alpha_pattern`: values by module pattern. The order is kept, since the first match counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternMap<T>(Vec<(String, T)>);

impl<T> PatternMap<T> {
    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Patterns and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(pattern, value)| (pattern.as_str(), value))
    }

    /// Sets the value of a pattern, at its old place if it has one (as a Python dict does).
    pub fn insert(&mut self, pattern: String, value: T) {
        match self.0.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, old)) => *old = value,
            None => self.0.push((pattern, value)),
        }
    }

    /// Compiles the patterns for many look-ups.
    pub(crate) fn compile(&self) -> Result<CompiledPatterns<'_, T>> {
        self.0
            .iter()
            .map(|(pattern, value)| Ok((ModulePattern::key(pattern)?, value)))
            .collect::<Result<_>>()
            .map(CompiledPatterns)
    }
}

impl<T> Default for PatternMap<T> {
    fn default() -> Self {
        PatternMap(Vec::new())
    }
}

impl<T> FromIterator<(String, T)> for PatternMap<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(pairs: I) -> Self {
        let mut map = PatternMap::default();
        for (pattern, value) in pairs {
            map.insert(pattern, value);
        }
        map
    }
}

/// A [`PatternMap`] ready for look-ups.
#[derive(Debug)]
pub(crate) struct CompiledPatterns<'a, T>(Vec<(ModulePattern, &'a T)>);

impl<T> CompiledPatterns<'_, T> {
    /// The value of the first pattern that matches the end of `module`, on a boundary between its parts.
    pub(crate) fn get(&self, module: &str) -> Result<Option<&T>> {
        for (pattern, value) in &self.0 {
            if pattern.is_match(module)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

impl<T: Serialize> Serialize for PatternMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(pattern, value)| (pattern, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PatternMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = PatternMap<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of module patterns and numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = PatternMap::default();
                while let Some((pattern, value)) = access.next_entry()? {
                    map.insert(pattern, value);
                }
                Ok(map)
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for PatternMap<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("PatternMap_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(patterns: &[(&str, usize)], module: &str) -> Option<usize> {
        let map: PatternMap<usize> = patterns.iter().map(|&(p, v)| (p.to_owned(), v)).collect();
        map.compile().unwrap().get(module).unwrap().copied()
    }

    #[test]
    fn the_first_matching_key_counts() {
        // Checked against peft.utils.other.get_pattern_key 0.21.
        let q = "model.layers.1.self_attn.q_proj";
        assert_eq!(pick(&[("q_proj", 1), ("layers.1.self_attn.q_proj", 2)], q), Some(1));
        assert_eq!(pick(&[("layers.1.self_attn.q_proj", 2), ("q_proj", 1)], q), Some(2));
        assert_eq!(pick(&[("_proj", 1)], q), None);
        assert_eq!(pick(&[(r"layers\.(1|3)\.self_attn\.[qk]_proj", 4)], q), Some(4));
        assert_eq!(pick(&[(r"layers\.(1|3)\.self_attn\.[qk]_proj", 4)], "model.layers.11.self_attn.q_proj"), None);
        assert_eq!(pick(&[("^model.layers.1.self_attn.q_proj", 5)], q), Some(5));
        assert_eq!(pick(&[("k_proj|q_proj", 6)], q), Some(6));
    }

    #[test]
    fn a_hostile_pattern_ends_in_an_error() {
        let started = std::time::Instant::now();
        let name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let err = ModulePattern::full(r"(?=a)((a+)+\2)+b").and_then(|p| p.is_match(name)).unwrap_err();
        assert!(err.message().contains("cannot be used"), "{err}");
        assert!(ModulePattern::full("((a{1000}){1000}){1000}").is_err());
        assert!(ModulePattern::full(&"(".repeat(4000)).is_err());
        assert!(ModulePattern::full(&"a".repeat(5000)).unwrap_err().message().contains("4096"));
        assert!(started.elapsed().as_secs() < 10);
    }

    #[test]
    fn a_reason_is_one_line_and_names_what_is_not_supported() {
        for (pattern, words) in [
            (r"(a+)(?<=\1)b", "look-behind of a length that is not known beforehand is not supported"),
            (r"(a)\g<1>", "Subroutine Call is not supported"),
            ("(a", "Opening parenthesis without closing parenthesis"),
            ("*", "Target of repeat operator is invalid"),
            (r"(a)\9", "Invalid back reference"),
            ("[z-a]", "invalid character class range"),
            (r"\p{Nonsense}", "Unicode property not found"),
        ] {
            let err = ModulePattern::full(pattern).unwrap_err();
            assert!(!err.message().contains('\n') && err.message().contains(words), "{pattern}: {err}");
            assert!(err.message().len() < 200, "{pattern}: {err}");
        }
    }

    #[test]
    fn json_keeps_the_order() {
        let map: PatternMap<usize> = serde_json::from_str(r#"{"z": 1, "a": 2, "z": 3}"#).unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), [("z", &3), ("a", &2)]);
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"z":3,"a":2}"#);
        assert!(serde_json::from_str::<PatternMap<usize>>("[1]").is_err());
    }
}
