//! Two options about memory that have more than one form.

use crate::error::Result;
use crate::options::invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether layers keep only their inputs and are run again for their backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"auto\", true or false")]
pub enum GradientCheckpointing {
    /// Always, or never.
    Fixed(bool),
    /// When the memory does not suffice without.
    Auto(AutoWord),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AutoWord {
    /// As needed.
    Auto,
}

impl GradientCheckpointing {
    /// As needed.
    pub const AUTO: Self = GradientCheckpointing::Auto(AutoWord::Auto);
}

/// An amount of memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of bytes, or a text such as \"12GiB\"")]
pub enum ByteSize {
    /// Bytes.
    Bytes(u64),
    /// A number and a unit: `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (of 1024).
    Text(String),
}

const UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl ByteSize {
    /// The bytes, for the option `name`.
    pub(crate) fn bytes(&self, name: &str) -> Result<u64> {
        let text = match self {
            ByteSize::Bytes(bytes) => return Ok(*bytes),
            ByteSize::Text(text) => text.trim(),
        };
        let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
        let unit = unit.to_ascii_lowercase();
        let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|unit| unit.1);
        match (number.trim().parse::<f64>(), factor) {
            (Ok(number), Some(factor)) if number >= 0.0 && number.is_finite() => Ok((number * factor as f64) as u64),
            _ => Err(invalid(
                name,
                format_args!("{text:?}"),
                "a number of bytes, or a text such as \"12GiB\" or \"800 MB\"",
            )),
        }
    }
}

/// Bytes for people, as in `1.25 GiB`.
pub(crate) fn shown(bytes: u64) -> String {
    let (unit, factor) = match bytes {
        0..0x10_0000 => ("KiB", 1u64 << 10),
        0x10_0000..0x4000_0000 => ("MiB", 1 << 20),
        _ => ("GiB", 1 << 30),
    };
    format!("{:.2} {unit}", bytes as f64 / factor as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;
    use crate::train::TrainOptions;

    #[test]
    fn sizes_have_units() {
        let bytes = |text: &str| ByteSize::Text(text.to_owned()).bytes("max_memory");
        for (text, expected) in
            [("12GiB", 12 << 30), ("1.5 gib", 3 << 29), ("800 MB", 800_000_000), ("512kib", 1 << 19), ("7B", 7)]
        {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for text in ["", "12", "GiB", "-1GiB", "12 parsecs", "nanGiB", "1e999TB"] {
            assert!(bytes(text).unwrap_err().message().contains("`max_memory`"), "{text}");
        }
        assert_eq!(
            (shown(1536), shown(5 << 19), shown(5 << 29)),
            ("1.50 KiB".into(), "2.50 MiB".into(), "2.50 GiB".into())
        );
    }

    #[test]
    fn both_options_have_their_forms_and_no_other() {
        let with = |json: &str| parse::<TrainOptions>(Some(json));
        assert_eq!(with("{}").unwrap().gradient_checkpointing, GradientCheckpointing::AUTO);
        let options = with(r#"{"gradient_checkpointing": true, "max_memory": "2GiB"}"#).unwrap();
        assert_eq!(options.gradient_checkpointing, GradientCheckpointing::Fixed(true));
        assert_eq!(with(r#"{"max_memory": 77}"#).unwrap().max_memory, Some(ByteSize::Bytes(77)));
        for json in [r#"{"gradient_checkpointing": "yes"}"#, r#"{"max_memory": true}"#, r#"{"max_memory": "much"}"#] {
            let err = with(json).unwrap_err();
            assert!(err.message().contains("expected"), "{err}");
            assert!(err.details()["option"].is_string(), "{err}");
        }
    }
}
