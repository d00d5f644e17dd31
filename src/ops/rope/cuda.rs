//! The launches of `rope.cu`.

use super::Pairs;
use crate::error::Result;
use crate::gpu::{Arg, f32_only, name, over_columns};
use crate::tensor::Matrix;

/// Rotates in place; `cos, sin [tokens, half]`.
pub(super) fn rotate(
    cos: &Matrix,
    sin: &Matrix,
    head_dim: usize,
    pairs: Pairs,
    sign: f32,
    x: &mut Matrix,
) -> Result<()> {
    let (half, (tokens, width)) = (cos.cols(), x.shape());
    let heads = width / head_dim;
    let kernel = match pairs {
        Pairs::Halves => "rope_halves",
        Pairs::Neighbours => "rope_neighbours",
    };
    let x = x.array_mut()?;
    let elements = [x.element()];
    let args = [
        x.at_mut(0),
        f32_only(cos.array()?)?.at(0),
        f32_only(sin.array()?)?.at(0),
        Arg::from(heads as u32),
        Arg::from(head_dim as u32),
        Arg::from(half as u32),
        Arg::from(sign),
    ];
    x.gpu().launch(&name(kernel, &elements), over_columns(tokens, heads * half, &elements), &args)
}
