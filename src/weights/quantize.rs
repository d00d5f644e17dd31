//! The `quantize` option: a type of the table, by its name.

use super::{TYPES, WeightType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::str::FromStr;

/// Quantization of the weights of linear layers and embeddings while they load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantize(&'static WeightType);

impl Quantize {
    pub(crate) fn weight_type(self) -> &'static WeightType {
        self.0
    }
}

impl FromStr for Quantize {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || TYPES.map(|kind| kind.name).join(", ");
        WeightType::named(name).map(Quantize).ok_or_else(|| format!("`{name}` is none of {}", known()))
    }
}

impl TryFrom<String> for Quantize {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Quantize> for String {
    fn from(quantize: Quantize) -> String {
        quantize.0.name.to_owned()
    }
}

impl JsonSchema for Quantize {
    fn schema_name() -> Cow<'static, str> {
        "Quantize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |kind: &WeightType| json!({ "type": "string", "const": kind.name, "description": kind.description });
        json_schema!({ "oneOf": TYPES.map(one) })
    }
}
