//! YAML as people write it: options, scenario packs, lexicons. One reader, so that all are bounded alike and every error
//! names the line. JSON is read too, being YAML.

use crate::error::{Code, Error, Result};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// What `text` says. A BOM before it is left out.
///
/// # Errors
/// `InvalidOptions`: it is no YAML, has a key twice, has a number that JSON has not, or is no `T`; with `line` and `column`
/// where they are known.
pub(crate) fn read_yaml<T: DeserializeOwned>(text: &str) -> Result<T> {
    let value = read_as(text)?;
    read_as::<Finite>(text)?;
    Ok(value)
}

fn read_as<T: DeserializeOwned>(text: &str) -> Result<T> {
    // Without the lines around it an error is one sentence, and repeats nothing of the file but a word.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text.trim_start_matches('\u{feff}'), options).map_err(|err| {
        let error = Error::new(Code::InvalidOptions, format!("cannot be read as YAML: {}", err.to_string().trim()));
        match err.location() {
            Some(place) => error.with("line", place.line()).with("column", place.column()),
            None => error,
        }
    })
}

/// The line on which an option stands, or the innermost that is there of those around it: `generate.max_tokens`.
pub(super) fn line_of(text: &str, option: &str) -> Option<u64> {
    let mut node: Node = read_as(text).ok()?;
    let mut line = None;
    for key in option.split('.') {
        let Some(at) = node.0.iter().position(|(known, ..)| known == key) else { break };
        let (_, found, inner) = node.0.swap_remove(at);
        line = Some(found);
        node = inner;
    }
    line.filter(|line| *line > 0)
}

/// The keys of an object, each with its line and what it has inside. A list has its places as keys.
struct Node(Vec<(String, u64, Node)>);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Node, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            keys.push((key.value, key.referenced.line(), map.next_value()?));
        }
        Ok(Node(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Node, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
    fn visit_i64<E>(self, _: i64) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
    fn visit_u64<E>(self, _: u64) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
    fn visit_f64<E>(self, _: f64) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
    fn visit_str<E>(self, _: &str) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
    fn visit_unit<E>(self) -> std::result::Result<Node, E> {
        Ok(Node(Vec::new()))
    }
}

/// Any YAML whose numbers JSON has, too: `.nan` and `.inf` would become null, which stands for the default of many an
/// option.
struct Finite;

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Finite)
    }
}

impl<'de> Visitor<'de> for Finite {
    type Value = Finite;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Finite, A::Error> {
        while map.next_entry::<IgnoredAny, Finite>()?.is_some() {}
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Finite, A::Error> {
        while list.next_element::<Finite>()?.is_some() {}
        Ok(self)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> std::result::Result<Finite, E> {
        match number.is_finite() {
            true => Ok(self),
            false => Err(E::custom(format!("the number {number}; expected one that is finite"))),
        }
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_i128<E>(self, _: i128) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_u128<E>(self, _: u128) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_bytes<E>(self, _: &[u8]) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_none<E>(self) -> std::result::Result<Finite, E> {
        Ok(self)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Finite, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_error_is_one_sentence_with_its_line() {
        for (text, line) in [("a: 1\nb: [\n", 2), ("a: 1\nb: 2\na: 3\n", 3), ("a: *none\n", 1)] {
            let err = read_yaml::<Value>(text).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions);
            assert_eq!(err.details()["line"], line, "{text}: {err}");
            assert!(!err.message().contains('\n') && err.message().contains("line"), "{err}");
        }
        assert_eq!(read_yaml::<Value>("\u{feff}{\"a\": [1, 0.5]}").unwrap(), json!({"a": [1, 0.5]}));
    }

    #[test]
    fn a_text_that_grows_without_end_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..12 {
            let alias = format!("*a{}", at - 1);
            bomb += &format!("a{at}: &a{at} [{}]\n", vec![alias; 9].join(", "));
        }
        assert_eq!(read_yaml::<Value>(&bomb).unwrap_err().code(), Code::InvalidOptions);
        let deep = "[".repeat(100_000);
        assert_eq!(read_yaml::<Value>(&deep).unwrap_err().code(), Code::InvalidOptions);
    }

    #[test]
    fn a_number_that_json_has_not_is_refused() {
        for text in ["a: .nan", "a: .inf", "a: [1, {b: -.inf}]", "{a: 0.5, b: [.NaN]}", "a: 1e999"] {
            let err = read_yaml::<Value>(text).expect_err(text);
            assert!(err.code() == Code::InvalidOptions && err.message().contains("finite"), "{err}");
        }
        let fine = "a: 1e300\nb: nan\nc: ~\nd: 18446744073709551615\n1: '.inf'\n";
        assert_eq!(read_yaml::<Value>(fine).unwrap()["d"], u64::MAX);
    }

    #[test]
    fn the_line_of_an_option_is_found() {
        let yaml =
            "# house style\nname: hr\ngenerate:\n  system: |\n    two\n    lines\n  max_tokens: 5\nfields: [a, b]\n";
        let json = "{\n \"name\": \"hr\",\n\t\"generate\": {\n\"max_tokens\": 5}}";
        for (text, option, line) in [
            (yaml, "name", Some(2)),
            (yaml, "generate.max_tokens", Some(7)),
            (yaml, "generate.seed", Some(3)),
            (yaml, "fields", Some(8)),
            (yaml, "seed", None),
            (json, "generate.max_tokens", Some(4)),
            ("- 1", "name", None),
            ("a: [", "a", None),
        ] {
            assert_eq!(line_of(text, option), line, "{option}");
        }
    }
}
