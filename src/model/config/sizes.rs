//! The sizes of a model, held to what makes sense before anything is allocated for them.

use super::bad;
use super::fields::Fields;
use crate::error::Result;

pub(super) const LARGEST: usize = 1 << 24;
const MOST_LAYERS: usize = 1 << 12;
const LARGEST_HEAD: usize = 1 << 14;
pub(super) const LONGEST_CONTEXT: usize = 1 << 30;

/// What a config says of sizes.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) vocab: usize,
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_dim: usize,
    pub(super) context: usize,
}

impl Sizes {
    pub(super) fn read(fields: Fields<'_>) -> Result<Self> {
        let (vocab, hidden) = (size(fields, "vocab_size", LARGEST)?, size(fields, "hidden_size", LARGEST)?);
        let heads = size(fields, "num_attention_heads", LARGEST)?;
        let key_value_heads = fields.size("num_key_value_heads")?.unwrap_or(heads);
        if key_value_heads == 0 || !heads.is_multiple_of(key_value_heads) {
            return Err(bad(format!(
                "`num_key_value_heads` is {key_value_heads}; expected a divisor of `num_attention_heads`, {heads}"
            )));
        }
        let head_dim = head_dim(fields, hidden, heads)?;
        let context = fields.size("max_position_embeddings")?.unwrap_or(2048);
        if !(1..=LONGEST_CONTEXT).contains(&context) {
            return Err(bad(format!("`max_position_embeddings` is {context}; expected 1 to {LONGEST_CONTEXT}")));
        }
        let layers = size(fields, "num_hidden_layers", MOST_LAYERS)?;
        let intermediate = size(fields, "intermediate_size", LARGEST)?;
        Ok(Sizes { vocab, hidden, intermediate, layers, heads, key_value_heads, head_dim, context })
    }
}

pub(super) fn size(fields: Fields<'_>, name: &str, most: usize) -> Result<usize> {
    match fields.required(name)? {
        size if (1..=most).contains(&size) => Ok(size),
        size => Err(bad(format!("`{name}` is {size}; expected 1 to {most}"))),
    }
}

fn head_dim(fields: Fields<'_>, hidden: usize, heads: usize) -> Result<usize> {
    let head_dim = match fields.size("head_dim")? {
        Some(head_dim) => head_dim,
        None if hidden.is_multiple_of(heads) => hidden / heads,
        None => {
            return Err(bad(format!(
                "`hidden_size` is {hidden}; expected a multiple of `num_attention_heads`, {heads}, or a `head_dim`"
            )));
        }
    };
    if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > LARGEST_HEAD {
        return Err(bad(format!("`head_dim` is {head_dim}; expected an even number of at most {LARGEST_HEAD}")));
    }
    Ok(head_dim)
}
