//! Products of some rows with weights of blocks of 32, by tensor cores: the launches of `few_rows.cu`.

use super::layout::Blocks;
use super::{Operand, size};
use crate::error::Result;
use crate::gpu::{Array, Grid, blocks, name};

/// `x Wᵀ`, of the type of `x`.
pub(super) fn product(w: &Blocks, (outputs, inputs): (usize, usize), x: &Operand<'_>) -> Result<Array> {
    let (from, rows) = (x.matrix().array()?, x.matrix().rows());
    let operand = x.for_tensor_cores(w.on_card.half_order)?;
    let mut y = Array::new(from.gpu(), from.element(), rows * outputs)?;
    // Of fewer outputs, more warps share the inputs, so that the card has enough loads under way.
    let (threads, across) = match outputs.div_ceil(32) {
        2048.. => (256, 4),
        384.. => (256, 2),
        _ => (512, 1),
    };
    let grid = Grid::of(blocks(outputs, 32 * across) * blocks(rows, 32), threads);
    let to = y.at_mut(0);
    let args =
        [w.array.at(0), w.count.into(), operand.at(0), to, size(rows), size(outputs), size(inputs), size(across)];
    from.gpu().launch(&name(&format!("few_rows_{}", w.name), &[from.element()]), grid, &args)?;
    Ok(y)
}
