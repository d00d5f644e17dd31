//! The kinds of conclusions.

use serde::{Deserialize, Serialize};

/// What a conclusion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Strength,
    Risk,
    Recommendation,
    Observation,
}

impl Kind {
    pub(crate) const NAMES: [&str; 4] = ["strength", "risk", "recommendation", "observation"];

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        [Kind::Strength, Kind::Risk, Kind::Recommendation, Kind::Observation]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        Kind::NAMES[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        for name in Kind::NAMES {
            assert_eq!(Kind::named(name).map(Kind::name), Some(name));
        }
    }
}
