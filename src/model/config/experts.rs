//! The experts of a mixture.

use super::bad;
use super::fields::Fields;
use super::sizes::size;
use crate::error::Result;
use crate::model::families::Family;

const MOST: usize = 1 << 12;

/// What a config says of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpertsConfig {
    pub(crate) count: usize,
    pub(crate) per_token: usize,
    /// Columns of the gated product of one.
    pub(crate) width: usize,
    /// Whether a token's weights sum to one.
    pub(crate) normalise: bool,
}

impl ExpertsConfig {
    pub(super) fn read(fields: Fields<'_>, family: &Family) -> Result<Option<Self>> {
        if !family.settings.contains(&"num_experts") {
            return Ok(None);
        }
        let count = size(fields, "num_experts", MOST)?;
        let per_token = size(fields, "num_experts_per_tok", MOST)?;
        if per_token > count {
            return Err(bad(format!("`num_experts_per_tok` is {per_token}; expected at most `num_experts`, {count}")));
        }
        let width = size(fields, "moe_intermediate_size", super::sizes::LARGEST)?;
        Ok(Some(ExpertsConfig { count, per_token, width, normalise: fields.flag("norm_topk_prob")?.unwrap_or(false) }))
    }
}
