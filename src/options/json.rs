//! Options JSON as people and programs write it: what serde_json would take in silence (a key that stands twice) is
//! refused, and what it refuses gets a word on why.

use crate::error::{Code, Error, Result};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// Options are typed by people; a schema among them may be long.
const MAX_BYTES: usize = 16 << 20;

/// What `text` says; `what` names it in errors ("the train options").
///
/// # Errors
/// `InvalidOptions`, with `line` and `column`, or with the key that stands twice as `option`.
pub(crate) fn read(text: &str, what: &str) -> Result<Value> {
    let refuse = |why: String| Error::new(Code::InvalidOptions, format!("{what} {why}"));
    if text.len() > MAX_BYTES {
        return Err(refuse(format!("have {} bytes; expected at most {MAX_BYTES}", text.len())));
    }
    let value: Value = serde_json::from_str(text).map_err(|err| {
        let hint = hint(text, &err).map(|hint| format!("; {hint}")).unwrap_or_default();
        let refused = refuse(format!("are not valid JSON: {err}{hint}"));
        let option = is_too_deep(&err).then(|| Seen::until_the_fault(text)).flatten();
        refused.with("option", option).with("line", err.line()).with("column", err.column())
    })?;
    let seen = Seen::default();
    match Unique(&seen).deserialize(&mut serde_json::Deserializer::from_str(text)) {
        Ok(()) => Ok(value),
        Err(err) => {
            let path = seen.path.take().join(".");
            Err(refuse(format!("have the key `{path}` twice; expected each key once"))
                .with("option", path)
                .with("line", err.line()))
        }
    }
}

/// Where the reader is.
#[derive(Default)]
struct Seen {
    path: RefCell<Vec<String>>,
}

impl Seen {
    /// The option in which `text` cannot be read on.
    fn until_the_fault(text: &str) -> Option<String> {
        let seen = Seen::default();
        let fault = Unique(&seen).deserialize(&mut serde_json::Deserializer::from_str(text));
        fault.err().and_then(|_| seen.path.take().into_iter().next())
    }
}

/// Reads a value and keeps nothing of it; fails at a key that its object already has, where the path then ends.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a Seen);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.path.borrow_mut().push(key.clone());
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
            map.next_value_seed(self)?;
            self.0.path.borrow_mut().pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        for index in 0.. {
            self.0.path.borrow_mut().push(index.to_string());
            if list.next_element_seed(self)?.is_none() {
                break;
            }
            self.0.path.borrow_mut().pop();
        }
        self.0.path.borrow_mut().pop();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }
}

/// What other notations have that JSON has not.
const FOREIGN: &[(&str, &str)] = &[
    ("NaN", "JSON has no NaN; leave the option out for its default"),
    ("nan", "JSON has no NaN; leave the option out for its default"),
    ("Infinity", "JSON has no infinity; write a number"),
    ("inf", "JSON has no infinity; write a number"),
    ("-Infinity", "JSON has no infinity; write a number"),
    ("-inf", "JSON has no infinity; write a number"),
    ("True", "JSON writes true and false in small letters"),
    ("False", "JSON writes true and false in small letters"),
    ("None", "JSON writes null"),
    ("undefined", "JSON writes null"),
    ("'", "JSON puts texts and keys in double quotes"),
    ("//", "JSON has no comments"),
    ("/*", "JSON has no comments"),
    ("#", "JSON has no comments"),
    ("}", "JSON has no comma before a closing bracket"),
    ("]", "JSON has no comma before a closing bracket"),
    ("{", "expected one object and nothing after it"),
    (".", "JSON writes 0.5, not .5"),
    ("+", "JSON writes numbers without +"),
    ("“", "JSON has straight double quotes"),
    ("，", "JSON separates with the ASCII comma"),
    ("：", "JSON separates key and value with the ASCII colon"),
];

fn is_too_deep(err: &serde_json::Error) -> bool {
    err.to_string().starts_with("recursion limit")
}

fn hint(text: &str, err: &serde_json::Error) -> Option<&'static str> {
    let said = err.to_string();
    if is_too_deep(err) {
        return Some("expected at most 127 levels of brackets");
    }
    if said.starts_with("number out of range") {
        return Some("expected numbers that a double holds");
    }
    let line = text.split('\n').nth(err.line().checked_sub(1)?)?;
    // The column is that of the character serde_json stumbled over, or of the one before it.
    let rest = |from: usize| line.as_bytes().get(from..).unwrap_or_default();
    let (here, next) = (rest(err.column().saturating_sub(1)), rest(err.column()));
    let found = |at: &[u8]| FOREIGN.iter().find(|(word, _)| at.starts_with(word.as_bytes())).map(|(_, hint)| *hint);
    found(here).or_else(|| found(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_named_with_its_path() {
        for (text, path) in [
            (r#"{"r":8,"r":8}"#, "r"),
            (r#"{"a":{"b":[0,{"c":1,"d":{},"c":2}]}}"#, "a.b.1.c"),
            (r#"[[],[{"x":1},{"x":1,"x":2}]]"#, "1.1.x"),
            (r#"{"名":1,"\u540d":2}"#, "名"),
        ] {
            let err = read(text, "the train options").unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions);
            assert_eq!(err.details()["option"], path, "{err}");
        }
        for text in [r#"{"a":{"x":1},"b":{"x":1}}"#, r#"[{"x":1},{"x":1}]"#, "1e400", "123456789012345678901234567890"]
        {
            let same = serde_json::from_str::<Value>(text);
            assert_eq!(read(text, "x").ok(), same.ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_gets_a_word_on_why() {
        for (text, hint) in [
            (r#"{"a":NaN}"#, "no NaN"),
            (r#"{"a": -Infinity}"#, "no infinity"),
            (r#"{"a":Infinity}"#, "no infinity"),
            ("{\"a\":\n True}", "small letters"),
            (r#"{"a":None}"#, "null"),
            ("{'a':1}", "double quotes"),
            ("{\"a\":1, // b\n}", "no comments"),
            ("{\"a\":1 # b\n}", "no comments"),
            (r#"{"a":1,}"#, "no comma"),
            (r#"{"a":[1,]}"#, "no comma"),
            (r#"{"a":1}{"b":2}"#, "nothing after"),
            (r#"{"a":.5}"#, "0.5"),
            (r#"{"a":1e999}"#, "a double holds"),
            (r#"{"a":[-1e999]}"#, "a double holds"),
            ("{“a”:1}", "straight"),
            (r#"{"a":1，"b":2}"#, "ASCII comma"),
        ] {
            let err = read(text, "the train options").unwrap_err();
            assert!(err.message().contains(hint), "{text}: {err}");
            assert!(err.details().contains_key("column"));
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep, "x").unwrap_err().message().contains("127 levels"));
        let named = read(&format!("{{\"r\":1,\"json_schema\":{{\"items\":{deep}}}}}"), "x").unwrap_err();
        assert_eq!(named.details()["option"], "json_schema");
        assert!(read(&" ".repeat(MAX_BYTES + 1), "x").unwrap_err().message().contains("at most"));
    }
}
