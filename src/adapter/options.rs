//! What a host may say when it loads or merges adapters.

use crate::options::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `tailora_adapter_load` and `tailora_adapter_merge`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterOptions {
    /// The name that reports show. By default what the adapter's manifest says, else its directory's name; `merged` for a
    /// merged one.
    pub name: Option<String>,
    /// Load an adapter though it was trained on other weights: on the same model in another container or precision, say. The
    /// shapes must fit, and the adapter's `notes` say it. For loading only.
    pub allow_base_mismatch: bool,
}

impl Options for AdapterOptions {
    const NAME: &'static str = "adapter";
}
