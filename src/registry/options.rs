//! What a host says when it publishes.

use crate::adapter::check_name;
use crate::error::Result;
use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How an adapter is published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PublishOptions {
    /// Name of the version, as in `hr_review`; null takes the adapter's.
    pub name: Option<String>,
    /// What the host wants to keep with the version: who approved it, figures of its own.
    pub extra: Map<String, Value>,
}

impl Options for PublishOptions {
    const NAME: &'static str = "publish";

    fn check(&self) -> Result<()> {
        self.name.as_ref().map_or(Ok(()), |name| check_name("name", name))
    }
}
