//! Ids of tokens that a config names.

use super::bad;
use super::fields::shown;
use crate::error::Result;
use serde_json::Value;

/// An id, a list of ids, or nothing.
pub(super) fn token_ids(name: &str, value: Option<&Value>) -> Result<Vec<u32>> {
    let one = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| bad(format!("`{name}` has {}; expected a token id", shown(value))))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(one).collect(),
        Some(id) => Ok(vec![one(id)?]),
    }
}

/// Refuses an id that no token has: it would never end a generation.
pub(super) fn check_end_tokens(ids: &[u32], vocab_size: usize) -> Result<()> {
    match ids.iter().find(|id| **id as usize >= vocab_size) {
        None => Ok(()),
        Some(id) => {
            let message = format!("`eos_token_id` has {id}; expected ids below `vocab_size`, {vocab_size}");
            Err(bad(message).with("key", "eos_token_id"))
        }
    }
}
