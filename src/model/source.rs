//! What a decoder's weights are taken from: safetensors files or a GGUF file, under the names of Hugging Face models.

use super::weight_file::WeightFile;
use crate::error::{Code, Error, Result};
use crate::tensor::Device;
use crate::weights::FrozenMatrix;
use rayon::prelude::*;
use std::sync::Arc;

/// Values that a thread looks at at a time.
const CHECKED: usize = 1 << 14;

/// The stored tensors of a model.
pub(super) trait WeightSource: Send + Sync {
    /// Whether a tensor of that name is stored.
    fn contains(&self, name: &str) -> bool;

    /// The number of stored tensors.
    fn len(&self) -> usize;

    /// The names of all stored tensors.
    fn names(&self) -> Vec<String>;

    /// Whether all matrices are stored in bf16.
    fn is_bf16(&self) -> bool;

    /// The files, in the order of their names.
    fn files(&self) -> Vec<Arc<WeightFile>>;

    /// The values of the tensor `name` of exactly `shape`; refuses NaN and infinity.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// Whether two tensors of `shape` have the same values.
    fn same(&self, one: &str, other: &str, shape: &[usize]) -> Result<bool> {
        Ok(self.values(one, shape)? == self.values(other, shape)?)
    }

    /// The matrix `name` of exactly `shape`, if it is stored quantized.
    fn quantized(&self, _name: &str, _shape: [usize; 2], _exact: bool, _device: &Device) -> Result<Option<Found>> {
        Ok(None)
    }
}

/// A matrix that was stored quantized.
pub(super) struct Found {
    pub(super) weight: Arc<dyn FrozenMatrix>,
    /// The type it was stored in, if it is kept in another.
    pub(super) converted_from: Option<String>,
}

/// Refuses a tensor that holds what is not a finite number.
pub(super) fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    // No branch at a value, so that many are looked at at once.
    let all_finite = |values: &[f32]| values.iter().fold(true, |all, value| all & value.is_finite());
    if values.par_chunks(CHECKED).all(all_finite) {
        return Ok(());
    }
    let at = values.iter().position(|value| !value.is_finite()).unwrap_or_default();
    Err(Error::new(
        Code::ModelFormat,
        format!("tensor {name} holds {} at element {at}; expected finite numbers", values[at]),
    )
    .with("tensor", name)
    .with("element", at))
}
