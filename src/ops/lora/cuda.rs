//! The launch of `lora.cu`'s dropout.

use crate::error::Result;
use crate::gpu::{Arg, Array, name, over_elements};
use crate::tensor::Matrix;

/// `x`, each element times `scale`, or 0 where its hash is below the threshold.
pub(super) fn dropout(x: &Matrix, scale: f32, threshold: u32, seed: u64) -> Result<Matrix> {
    let from = x.array()?;
    let elements = [from.element()];
    let mut y = Array::new(from.gpu(), elements[0], x.len())?;
    let args =
        [from.at(0), y.at_mut(0), Arg::from(x.len() as u64), Arg::from(seed), Arg::from(threshold), Arg::from(scale)];
    from.gpu().launch(&name("dropout", &elements), over_elements(x.len(), &elements), &args)?;
    Ok(Matrix::of_array(x.rows(), x.cols(), y))
}
