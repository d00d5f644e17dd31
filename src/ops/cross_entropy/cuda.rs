//! The launch of `cross_entropy.cu`.

use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, name, threads_of_row};
use crate::tensor::Matrix;

/// Gives the losses by row, without waiting for them, and, if there is a factor, turns logits into
/// `factor · (softmax − onehot)` in place.
pub(super) fn softmax_loss(
    logits: &mut Matrix,
    cap: Option<f32>,
    targets: &[u32],
    factor: Option<f32>,
) -> Result<Array> {
    let (rows, vocab) = logits.shape();
    let logits = logits.array_mut()?;
    let elements = [logits.element()];
    let targets = Array::upload_u32(logits.gpu(), targets)?;
    let mut losses = Array::new(logits.gpu(), Element::F32, rows)?;
    let args = [
        logits.at_mut(0),
        targets.at(0),
        losses.at_mut(0),
        Arg::from(vocab as u32),
        Arg::from(factor.unwrap_or(0.0)),
        Arg::from(cap.unwrap_or(0.0)),
        Arg::from(u32::from(factor.is_some())),
    ];
    let grid = Grid::of(blocks(rows, 1), threads_of_row(vocab, &elements, 1024));
    logits.gpu().launch(&name("softmax_loss", &elements), grid, &args)?;
    Ok(losses)
}
