//! The settings of a `config.json`, typed: a value of another type is an error that names it.

use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// A JSON object of settings. Null counts as absent, but no default stands in for it, as in transformers.
#[derive(Clone, Copy)]
pub(in crate::model) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// What stands for what is left out.
    defaults: Option<&'a Map<String, Value>>,
    aliases: &'static [(&'static str, &'static str)],
    /// Where in the file it is, for messages: empty, or with a dot at its end.
    place: &'static str,
}

impl<'a> Fields<'a> {
    /// `value`, which must be an object.
    pub(in crate::model) fn of(value: &'a Value, place: &'static str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Fields { object, defaults: None, aliases: &[], place }),
            other => {
                let what = if place.is_empty() { "the file" } else { place.trim_end_matches('.') };
                Err(bad(format!("{what} is {}; expected an object", shown(other))))
            }
        }
    }

    /// The same, read as a family's.
    pub(in crate::model) fn with(
        self,
        defaults: &'a Map<String, Value>,
        aliases: &'static [(&'static str, &'static str)],
    ) -> Self {
        Fields { defaults: Some(defaults), aliases, ..self }
    }

    /// An object inside of this one.
    pub(in crate::model) fn inner(self, name: &str, place: &'static str) -> Result<Option<Self>> {
        self.get(name).map(|value| Fields::of(value, place)).transpose()
    }

    pub(in crate::model) fn get(self, name: &str) -> Option<&'a Value> {
        let stated = self.object.get(self.spelled(name));
        stated.or_else(|| self.defaults?.get(name)).filter(|value| !value.is_null())
    }

    /// What the file itself says.
    pub(in crate::model) fn stated(self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// What the file, if it has the setting, calls it.
    fn spelled(self, name: &str) -> &str {
        let theirs = self.aliases.iter().find(|(ours, theirs)| *ours == name && self.stated(theirs).is_some());
        theirs.map_or(name, |(_, theirs)| theirs)
    }

    pub(in crate::model) fn names(self) -> impl Iterator<Item = &'a str> {
        self.object.iter().filter(|(_, value)| !is_off(value)).map(|(name, _)| name.as_str())
    }

    /// A whole number, 0 or more.
    pub(in crate::model) fn size(self, name: &str) -> Result<Option<usize>> {
        self.read(name, "a whole number, 0 or more", |value| value.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    pub(in crate::model) fn real(self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a number", Value::as_f64)
    }

    pub(in crate::model) fn flag(self, name: &str) -> Result<Option<bool>> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(in crate::model) fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "a text", Value::as_str)
    }

    pub(in crate::model) fn texts(self, name: &str) -> Result<Option<Vec<&'a str>>> {
        self.read(name, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    pub(in crate::model) fn reals(self, name: &str) -> Result<Option<Vec<f64>>> {
        self.read(name, "a list of numbers", |value| value.as_array()?.iter().map(Value::as_f64).collect())
    }

    /// What a model cannot do without.
    pub(in crate::model) fn required(self, name: &str) -> Result<usize> {
        self.size(name)?.ok_or_else(|| bad(format!("`{}{name}` is missing; expected a whole number", self.place)))
    }

    fn read<T>(self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        self.get(name)
            .map(|value| {
                read(value).ok_or_else(|| {
                    let name = self.spelled(name);
                    bad(format!("`{}{name}` is {}; expected {expected}", self.place, shown(value))).with("key", name)
                })
            })
            .transpose()
    }
}

/// What was found, and the first few names.
pub(in crate::model) fn note(what: &str, names: &[&str]) -> Option<String> {
    const FEW: usize = 8;
    let listed: Vec<String> = names.iter().take(FEW).map(|name| name.chars().take(60).collect()).collect();
    match names.len() {
        0 => None,
        len if len <= FEW => Some(format!("{what}: {}", listed.join(", "))),
        len => Some(format!("{what}: {} and {} more", listed.join(", "), len - FEW)),
    }
}

/// Whether a setting says that something is not used, in whatever form the file says so.
pub(crate) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A value short enough for a message.
pub(in crate::model) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(items) => format!("an object of {} entries", items.len()),
        other => {
            let text = other.to_string();
            if text.chars().count() <= 80 { text } else { text.chars().take(80).chain("…".chars()).collect() }
        }
    }
}

fn bad(message: String) -> Error {
    Error::new(Code::ModelFormat, message)
}
