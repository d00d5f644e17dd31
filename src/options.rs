//! Options arrive as JSON and are parsed strictly: an unknown key is an error that names it and the nearest known one.

use crate::error::{Code, Error, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A set of options: knows its name in messages and checks ranges that its types cannot express.
pub trait Options: DeserializeOwned + JsonSchema + Default {
    /// The name that `tailora_options_schema` takes, e.g. `train`.
    const NAME: &'static str;

    /// Checks ranges; the error names the option.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Parses `json`; `None` or blank text gives the defaults.
pub fn parse<T: Options>(json: Option<&str>) -> Result<T> {
    match json.map(|text| text.trim_start_matches('\u{feff}').trim()).filter(|text| !text.is_empty()) {
        None => Ok(T::default()),
        Some(text) => {
            let value: Value = serde_json::from_str(text).map_err(|err| {
                Error::new(Code::InvalidOptions, format!("the {} options are not valid JSON: {err}", T::NAME))
                    .with("line", err.line())
                    .with("column", err.column())
            })?;
            from_value(value)
        }
    }
}

/// Parses an already read JSON value (a config file in JSON or YAML ends here too).
pub fn from_value<T: Options>(value: Value) -> Result<T> {
    if value.is_null() {
        return Ok(T::default());
    }
    check_keys::<T>(&value)?;
    let options: T = serde_json::from_value(value.clone()).map_err(|err| wrong_type::<T>(&value, &err))?;
    options.validate()?;
    Ok(options)
}

/// The JSON Schema of a set of options, as served by `tailora_options_schema`.
pub fn schema<T: Options>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// An error about one option's value.
pub fn invalid(name: &str, found: impl std::fmt::Display, expected: &str) -> Error {
    Error::new(Code::InvalidOptions, format!("option `{name}` is {found}; expected {expected}")).with("option", name)
}

/// Serde does not say which option it stumbled over. Every option has a default, so the one that fails alone is it.
fn wrong_type<T: Options>(value: &Value, err: &serde_json::Error) -> Error {
    let alone = |name: &String, value: &Value| Value::Object([(name.clone(), value.clone())].into_iter().collect());
    let mut given = value.as_object().into_iter().flatten();
    match given.find(|(name, value)| serde_json::from_value::<T>(alone(name, value)).is_err()) {
        Some((name, _)) => {
            Error::new(Code::InvalidOptions, format!("{} option `{name}`: {err}", T::NAME)).with("option", name)
        }
        None => Error::new(Code::InvalidOptions, format!("{} options: {err}", T::NAME)),
    }
}

fn check_keys<T: Options>(value: &Value) -> Result<()> {
    let Value::Object(given) = value else {
        return Err(Error::new(Code::InvalidOptions, format!("the {} options must be a JSON object", T::NAME)));
    };
    let schema = schema::<T>();
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for key in given.keys() {
        if !known.contains_key(key) {
            let nearest = known
                .keys()
                .map(|name| (strsim::jaro_winkler(name, key), name))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, name)| name.clone());
            let hint = nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(Error::new(Code::InvalidOptions, format!("unknown {} option `{key}`{hint}", T::NAME))
                .with("option", key)
                .with("nearest", nearest));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        learning_rate: f64,
        epochs: u32,
    }

    impl Options for Sample {
        const NAME: &'static str = "sample";
        fn validate(&self) -> Result<()> {
            if self.learning_rate < 0.0 {
                return Err(invalid("learning_rate", self.learning_rate, "a number ≥ 0"));
            }
            Ok(())
        }
    }

    #[test]
    fn nothing_gives_defaults() {
        assert_eq!(parse::<Sample>(None).unwrap().epochs, 0);
        assert_eq!(parse::<Sample>(Some("  ")).unwrap().epochs, 0);
        assert_eq!(parse::<Sample>(Some("{\"epochs\":3}")).unwrap().epochs, 3);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let err = parse::<Sample>(Some("{\"learning_rat\":1}")).unwrap_err();
        assert_eq!(err.code(), Code::InvalidOptions);
        assert_eq!(err.message(), "unknown sample option `learning_rat`; did you mean `learning_rate`?");
        assert_eq!(err.details()["nearest"], "learning_rate");
    }

    #[test]
    fn wrong_types_and_ranges_are_refused() {
        assert!(parse::<Sample>(Some("[1]")).unwrap_err().message().contains("must be a JSON object"));
        assert!(parse::<Sample>(Some("{")).unwrap_err().message().contains("not valid JSON"));
        let err = parse::<Sample>(Some("{\"learning_rate\":1,\"epochs\":\"x\"}")).unwrap_err();
        assert!(err.message().contains("sample option `epochs`"), "{err}");
        assert_eq!(err.details()["option"], "epochs");
        assert!(parse::<Sample>(Some("{\"learning_rate\":-1}")).unwrap_err().message().contains("`learning_rate`"));
    }
}
