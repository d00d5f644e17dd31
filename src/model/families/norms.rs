//! Where the norms of a decoder layer are, and what they are called below `model.layers.N`.

/// The norms of the two blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NormTable {
    pub(crate) attention: Around,
    pub(crate) mlp: Around,
}

/// The norms of what goes into a block and of what it adds to the residual stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) before: Option<&'static str>,
    pub(crate) after: Option<&'static str>,
}

/// One before each block, as in most families.
pub(super) const BEFORE: NormTable = NormTable {
    attention: Around { before: Some("input_layernorm"), after: None },
    mlp: Around { before: Some("post_attention_layernorm"), after: None },
};

/// One behind each block.
pub(super) const BEHIND: NormTable = NormTable {
    attention: Around { before: None, after: Some("post_attention_layernorm") },
    mlp: Around { before: None, after: Some("post_feedforward_layernorm") },
};

/// Before and behind, as Gemma calls them.
pub(super) const BOTH: NormTable = NormTable {
    attention: Around { before: Some("input_layernorm"), after: Some("post_attention_layernorm") },
    mlp: Around { before: Some("pre_feedforward_layernorm"), after: Some("post_feedforward_layernorm") },
};

/// The same as GLM-4 calls them.
pub(super) const GLM4_NORMS: NormTable = NormTable {
    attention: Around { before: Some("input_layernorm"), after: Some("post_self_attn_layernorm") },
    mlp: Around { before: Some("post_attention_layernorm"), after: Some("post_mlp_layernorm") },
};
