//! RoPE frequencies and their scalings, as `modeling_rope_utils.py` of transformers computes them.

mod parameters;
mod scalings;

#[cfg(test)]
mod tests;

use super::bad;
use super::fields::Fields;
use super::sizes::Sizes;
use crate::error::{Code, Error, Result};
use crate::model::families::{Family, Ropes};
use parameters::Parameters;

/// The angles per position of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeScaling {
    /// One for each pair of features that is rotated.
    pub(crate) inv_freq: Vec<f32>,
    /// Those of sequences beyond the context that the model was trained with first (LongRoPE).
    pub(crate) long: Option<LongRope>,
    /// Factor of cosines and sines (YaRN, LongRoPE); 1 otherwise.
    pub(crate) attention_factor: f32,
    /// Longest sequence: what the config says, or what YaRN makes of it. Qwen's recipe leaves `max_position_embeddings` at
    /// the length that the scaling starts from.
    pub(crate) context: usize,
}

/// The frequencies of longer sequences.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LongRope {
    pub(crate) inv_freq: Vec<f32>,
    /// Tokens of a sequence that still has the others.
    pub(crate) beyond: usize,
}

impl RopeScaling {
    /// Reads `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both: one for all layers, or that of
    /// full attention and that of windows.
    pub(super) fn read(
        config: Fields<'_>,
        family: &Family,
        sizes: &Sizes,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Self>> {
        let newer = config.inner("rope_parameters", "rope_parameters.")?;
        let older = config.inner("rope_scaling", "rope_scaling.")?;
        let partial = family.settings.contains(&"partial_rotary_factor");
        let mut one = |parameters: Parameters<'_>, theta: &str| -> Result<Self> {
            notes.extend(parameters.check_names()?);
            let theta = parameters.theta(config, theta)?;
            let rotated = parameters.rotated(config, sizes.head_dim, partial)?;
            scalings::scaled(&parameters, config, theta, rotated, sizes.context)
        };
        match family.ropes {
            Ropes::One => Ok(vec![one(Parameters::of_either(newer, older)?, "rope_theta")?]),
            Ropes::ByWindow => {
                let of = |kind: &str, place| newer.map_or(Ok(None), |newer| newer.inner(kind, place));
                let full = of("full_attention", "rope_parameters.full_attention.")?;
                let sliding = of("sliding_attention", "rope_parameters.sliding_attention.")?;
                let full = Parameters::of_either(full, older)?;
                Ok(vec![one(full, "rope_theta")?, one(Parameters(sliding), "rope_local_base_freq")?])
            }
        }
    }
}

#[cfg(test)]
impl RopeScaling {
    /// Read as a config of a family without settings of its own.
    pub(crate) fn of_json(config: &serde_json::Value, head_dim: usize, context: usize) -> Result<Self> {
        let sizes = Sizes { head_dim, context, ..Sizes::default() };
        let family = crate::model::families::plain();
        Self::read(Fields::of(config, "")?, family, &sizes, &mut Vec::new()).map(|mut ropes| ropes.remove(0))
    }
}

fn unsupported(message: String) -> Error {
    Error::new(Code::Unsupported, message)
}
