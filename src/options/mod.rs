//! Options arrive as JSON and are parsed strictly: what is unknown, stands twice or is of another type is an error that
//! names the option and says what to write instead.

mod aliases;
mod file;
mod json;
mod names;
mod ranges;
mod types;
mod yaml;

use crate::error::{Code, Error, Result};
#[cfg(test)]
pub(crate) use aliases::targets;
pub use file::from_file;
pub(crate) use file::given_in_file;
pub(crate) use json::read;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
pub(crate) use yaml::read_yaml;

/// A set of options: knows its name in messages, and what its schema cannot say.
pub trait Options: DeserializeOwned + Serialize + JsonSchema + Default {
    /// The name that `tailora_options_schema` takes, e.g. `train`.
    const NAME: &'static str;

    /// Checks what parsing would lose, in text that is valid JSON.
    fn check_text(_text: &str) -> Result<()> {
        Ok(())
    }

    /// The options that were given, over those that one of them stands for.
    fn complete(given: Map<String, Value>) -> Result<Value> {
        Ok(Value::Object(given))
    }

    /// Checks what a JSON Schema cannot say: options that contradict each other, texts with a form. Ranges of numbers
    /// stand at the fields, in the schema.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Checks all that a type does not express; the error names the option.
    fn validate(&self) -> Result<()> {
        ranges::check(self, &schema::<Self>())?;
        self.check()
    }
}

/// Parses `json`; `None`, blank text and `null` give the defaults. A BOM before it is left out.
pub fn parse<T: Options>(json: Option<&str>) -> Result<T> {
    let text = json.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    match text.filter(|text| !text.trim().is_empty()) {
        None => Ok(T::default()),
        Some(text) => {
            let value = read(text, &format!("the {} options", T::NAME))?;
            T::check_text(text)?;
            from_value(value)
        }
    }
}

/// Parses an already read JSON value.
pub fn from_value<T: Options>(value: Value) -> Result<T> {
    if value.is_null() {
        return Ok(T::default());
    }
    let schema = schema::<T>();
    let Value::Object(given) = &value else {
        let message = format!("the {} options are {}; expected a JSON object", T::NAME, types::found(&value));
        return Err(Error::new(Code::InvalidOptions, message));
    };
    names::check(given, &schema, T::NAME)?;
    let value = T::complete(given.clone())?;
    let options: T =
        serde_path_to_error::deserialize(&value).map_err(|err| types::wrong(&value, &schema, T::NAME, &err))?;
    options.validate()?;
    Ok(options)
}

/// The JSON Schema of a set of options, as served by `tailora_options_schema`.
pub fn schema<T: Options>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    ranges::of_types(&mut schema);
    schema
}

/// An error about one option's value.
pub fn invalid(name: &str, found: impl std::fmt::Display, expected: &str) -> Error {
    Error::new(Code::InvalidOptions, format!("option `{name}` is {found}; expected {expected}")).with("option", name)
}

/// What a property's schema says, through a `$ref`, or through that of an `anyOf` with null.
fn resolve<'a>(property: &'a Value, root: &'a Value) -> (&'a Value, Option<&'a str>) {
    let reference = |schema: &'a Value| schema.get("$ref").and_then(Value::as_str);
    let variants = property.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let found = reference(property).or_else(|| variants.filter_map(reference).next());
    match found.and_then(|path| Some((path, root.pointer(path.strip_prefix('#')?)?))) {
        Some((path, schema)) => (schema, path.rsplit('/').next()),
        None => (property, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        #[schemars(range(min = 0.0))]
        learning_rate: f64,
        #[schemars(range(min = 1, max = 9))]
        epochs: u32,
        names: Vec<String>,
        on: bool,
        text: Option<String>,
        inner: InnerOptions,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct InnerOptions {
        max_tokens: u32,
        schema: Option<Value>,
    }

    impl Default for Sample {
        fn default() -> Self {
            let (names, inner) = (Vec::new(), InnerOptions::default());
            Sample { learning_rate: 0.0, epochs: 1, names, on: false, text: None, inner }
        }
    }

    impl Options for Sample {
        const NAME: &'static str = "sample";
    }

    #[test]
    fn nothing_gives_defaults() {
        for nothing in [None, Some(""), Some("  \r\n\t"), Some("\u{feff}"), Some("\u{feff} "), Some("null"), Some("{}")]
        {
            assert_eq!(parse::<Sample>(nothing).unwrap(), Sample::default(), "{nothing:?}");
        }
        for three in ["{\"epochs\":3}", "\u{feff}{\"epochs\":3}", "\r\n{\"epochs\":3}\n"] {
            assert_eq!(parse::<Sample>(Some(three)).unwrap().epochs, 3);
        }
    }

    /// What a host may write wrongly; the option of the details, and parts of the sentence.
    #[test]
    fn what_is_wrong_is_refused_with_words() {
        for (json, option, words) in [
            ("[1]", "", &["sample options are a list", "JSON object"][..]),
            ("3", "", &["sample options are 3"]),
            ("\"{}\"", "", &["sample options are a text", "JSON object"]),
            ("{", "", &["not valid JSON"]),
            ("{} x", "", &["not valid JSON", "trailing"]),
            ("\u{feff}\u{feff}{}", "", &["not valid JSON"]),
            (r#"{"learning_rate":1,"epochs":"x"}"#, "epochs", &["`epochs` is \"x\"", "a whole number from 1 to 9"]),
            (r#"{"epochs":"3"}"#, "epochs", &["`epochs` is \"3\"", "without quotes"]),
            (r#"{"epochs":-1}"#, "epochs", &["`epochs` is -1", "a whole number"]),
            (r#"{"epochs":2.5}"#, "epochs", &["`epochs` is 2.5", "a whole number"]),
            (r#"{"epochs":99999999999}"#, "epochs", &["`epochs` is 99999999999", "a whole number"]),
            (r#"{"epochs":null}"#, "epochs", &["`epochs` is null", "a whole number"]),
            (r#"{"learning_rate":"2e-4"}"#, "learning_rate", &["\"2e-4\"", "a number", "without quotes"]),
            (r#"{"learning_rate":[1]}"#, "learning_rate", &["`learning_rate` is a list", "a number"]),
            (r#"{"on":"true"}"#, "on", &["`on` is \"true\"", "true or false", "without quotes"]),
            (r#"{"on":1}"#, "on", &["`on` is 1", "true or false"]),
            (r#"{"text":5}"#, "text", &["`text` is 5", "a text or null"]),
            (r#"{"names":"a"}"#, "names", &["`names` is \"a\"", "a list"]),
            (r#"{"names":["a",5]}"#, "names", &["`names[1]` is 5"]),
            (r#"{"inner":[5]}"#, "inner", &["`inner` is a list", "an object"]),
            (r#"{"inner":5}"#, "inner", &["`inner` is 5", "an object"]),
            (r#"{"inner":{"max_tokens":"5"}}"#, "inner.max_tokens", &["\"5\"", "without quotes"]),
            (r#"{"inner":{"max_tokes":5}}"#, "inner.max_tokes", &["did you mean `max_tokens`?"]),
            (r#"{"inner":{"max_tokens":5,"max_tokens":5}}"#, "inner.max_tokens", &["twice"]),
            (r#"{"inner":{"schema":{"type":"a","type":"b"}}}"#, "inner.schema.type", &["twice"]),
            (r#"{"learning_rate":-1}"#, "learning_rate", &["`learning_rate` is -1", "a number of at least 0"]),
            (r#"{"epochs":0}"#, "epochs", &["`epochs` is 0", "a whole number from 1 to 9"]),
        ] {
            let err = parse::<Sample>(Some(json)).map(drop).unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions);
            assert_eq!(err.details().get("option").and_then(Value::as_str).unwrap_or(""), option, "{json}: {err}");
            assert!(words.iter().all(|word| err.message().contains(word)), "{json}: {err}");
        }
    }
}
