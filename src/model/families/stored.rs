//! Families whose weight files have other names than Llama's, or another layout.

/// What a family's files have in place of the decoder's names.
#[derive(Debug)]
pub(crate) struct StoredNames {
    /// Fronts of names: ours and theirs.
    pub(crate) fronts: &'static [(&'static str, &'static str)],
    /// Paths below `model.layers.N`: ours and theirs.
    pub(crate) paths: &'static [(&'static str, &'static str)],
    /// The path of one projection that has the rows of a key head's queries, its key and its value beside each other, head
    /// by head.
    pub(crate) grouped_qkv: Option<&'static str>,
}
