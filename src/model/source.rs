//! What a decoder's weights are taken from: safetensors files or a GGUF file, under the names of Hugging Face models.

use crate::error::{Code, Error, Result};
use crate::ops::linear::Weight;
use rayon::prelude::*;

/// The stored tensors of a model.
pub(super) trait WeightSource: Send + Sync {
    /// Whether a tensor of that name is stored.
    fn contains(&self, name: &str) -> bool;

    /// The number of stored tensors.
    fn len(&self) -> usize;

    /// Bytes of all files.
    fn byte_len(&self) -> u64;

    /// SHA-256 over the files in the order of their names; for a single file, the hash of that file.
    fn sha256(&self) -> String;

    /// The values of the tensor `name` of exactly `shape`; refuses NaN and infinity.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// The matrix `name` of exactly `shape`, if it is stored quantized.
    fn quantized(&self, _name: &str, _shape: [usize; 2], _exact: bool) -> Result<Option<Stored>> {
        Ok(None)
    }
}

/// A matrix that was stored quantized.
pub(super) struct Stored {
    pub(super) weight: Weight,
    /// The type it was stored in, if it is kept in another.
    pub(super) converted_from: Option<String>,
}

/// Refuses a tensor that holds what is not a finite number.
pub(super) fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    match values.par_iter().position_any(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::new(
            Code::ModelFormat,
            format!("tensor {name} holds {} at element {at}; expected finite numbers", values[at]),
        )
        .with("tensor", name)
        .with("element", at)),
    }
}
