//! How an adapter's modules are named: PEFT's `target_modules` and `exclude_modules`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Modules to adapt: a list of names (each matches a module's full name or its end after a dot), a regular expression
/// over full names, or `"all-linear"`, which means every linear layer but the output head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TargetModules {
    /// Names such as `q_proj` or `model.layers.0.mlp.up_proj`.
    List(Vec<String>),
    /// A regular expression that must match the whole name, or `all-linear`.
    Pattern(String),
}

impl TargetModules {
    /// Every linear layer but the output head.
    pub fn all_linear() -> Self {
        TargetModules::Pattern("all-linear".to_owned())
    }

    pub(crate) fn is_all_linear(&self) -> bool {
        matches!(self, TargetModules::Pattern(text) if text.eq_ignore_ascii_case("all-linear"))
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            TargetModules::List(names) => names.is_empty(),
            TargetModules::Pattern(text) => text.is_empty(),
        }
    }
}

impl fmt::Display for TargetModules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetModules::List(names) => write!(f, "[{}]", names.join(", ")),
            TargetModules::Pattern(text) => f.write_str(text),
        }
    }
}
