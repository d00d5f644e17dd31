//! The numbers that a config multiplies with, and those that it caps with.

use super::bad;
use super::fields::Fields;
use super::sizes::Sizes;
use crate::error::Result;
use crate::model::families::Family;

/// Factors and caps of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scales {
    /// Of the embedding.
    pub(crate) embedding: f64,
    /// Of what a block adds to the residual stream.
    pub(crate) residual: f64,
    /// Of the logits.
    pub(crate) logits: f64,
    /// Of the products of queries and keys; `None` for 1/√head_dim.
    pub(crate) attention: Option<f64>,
    /// c of c·tanh(x/c), of those products.
    pub(crate) attention_softcap: Option<f64>,
    /// The same of the logits.
    pub(crate) logit_softcap: Option<f64>,
}

impl Scales {
    pub(super) fn read(fields: Fields<'_>, family: &Family, sizes: &Sizes) -> Result<Self> {
        let hidden = sizes.hidden as f64;
        let number = |name: &str| match fields.real(name)? {
            Some(number) if !(number.is_finite() && number > 0.0) => {
                Err(bad(format!("`{name}` is {number}; expected a positive number")))
            }
            number => Ok(number),
        };
        let embedding = number("embedding_multiplier")?.unwrap_or(1.0);
        // MiniCPM: of the depth, and of the width of the model whose settings were taken over.
        let depth = number("scale_depth")?.map(|scale| scale / (sizes.layers as f64).sqrt());
        let width = number("dim_model_base")?.map(|base| base / hidden);
        let query = number("query_pre_attn_scalar")?.map(|scalar| scalar.powf(-0.5));
        Ok(Scales {
            embedding: if family.scales_embedding { embedding * hidden.sqrt() } else { embedding },
            residual: number("residual_multiplier")?.or(depth).unwrap_or(1.0),
            logits: number("logits_scaling")?.map(f64::recip).or(width).unwrap_or(1.0),
            attention: number("attention_multiplier")?.or(query),
            attention_softcap: number("attn_logit_softcapping")?,
            logit_softcap: number("final_logit_softcapping")?,
        })
    }
}
