//! Products of some rows with quantized weights, by tensor cores: the launches of `few_rows.cu` and `staged.cu`. Activations
//! are in bf16, as lanes take them.

use super::layout::Blocks;
use super::size;
use crate::error::Result;
use crate::gpu::{self, Arg, Array, Element, Grid};
use crate::weights::Staged;

/// Outputs of a block of threads that stages its operands, and those threads.
const OUTPUTS: usize = 128;
const THREADS: u32 = 128;
/// Blocks of threads that fill a card: three for each of an H100's multiprocessors.
const FILL: usize = 396;

pub(super) fn of_blocks(w: &Blocks, shape: (usize, usize), x: &Array, y: &mut Array, rows: usize) -> Result<()> {
    let operand = operand(w, shape.1, x, rows)?;
    match w.on_card.staged {
        Some(staged) => of_256(w, staged, shape, &operand, y, rows),
        None => of_32(w, shape, &operand, y, rows),
    }
}

/// The activations, and the sums of every 32 of them.
fn operand(w: &Blocks, inputs: usize, x: &Array, rows: usize) -> Result<Array> {
    let gpu = x.gpu();
    let (row_blocks, tiles) = (inputs.div_ceil(256), tiles(rows));
    // Two bytes each of eight rows, and two parts of two bytes of the sum of every 32.
    let mut operand = Array::new(gpu, Element::U8, row_blocks * tiles * (8 * 256 * 2 + 8 * 8 * 4))?;
    let to = operand.at_mut(0);
    let grid = Grid { blocks: [gpu::blocks(row_blocks, 1), gpu::blocks(tiles, 1), 1], threads: 256, shared: 0 };
    let order = u32::from(w.on_card.half_order);
    let kernel = gpu::name("few_rows_operand", &[x.element()]);
    gpu.launch(&kernel, grid, &[x.at(0), to, size(rows), size(inputs), order.into()])?;
    Ok(operand)
}

/// Tiles of eight rows, in pairs.
fn tiles(rows: usize) -> usize {
    2 * rows.div_ceil(16)
}

fn of_32(w: &Blocks, (outputs, inputs): (usize, usize), operand: &Array, y: &mut Array, rows: usize) -> Result<()> {
    // Of fewer outputs, more warps share the inputs, so that the card has enough loads under way.
    let (threads, across) = match outputs.div_ceil(32) {
        2048.. => (256, 4),
        384.. => (256, 2),
        _ => (512, 1),
    };
    let grid = Grid::of(gpu::blocks(outputs, 32 * across) * gpu::blocks(rows, 32), threads);
    let to = y.at_mut(0);
    let args =
        [w.array.at(0), w.count.into(), operand.at(0), to, size(rows), size(outputs), size(inputs), size(across)];
    y.gpu().launch(&gpu::name(&format!("few_rows_{}", w.name), &[y.element()]), grid, &args)
}

fn of_256(
    w: &Blocks,
    staged: Staged,
    (outputs, inputs): (usize, usize),
    operand: &Array,
    y: &mut Array,
    rows: usize,
) -> Result<()> {
    let gpu = y.gpu().clone();
    let across = outputs.div_ceil(OUTPUTS) * rows.div_ceil(32);
    let splits = (FILL / across.max(1)).min(inputs.div_ceil(256)).max(1);
    let mut partial = Array::new(&gpu, Element::F32, if splits > 1 { splits * y.len() } else { 0 })?;
    // Of each of eight rows 32 inputs eight times, and perhaps their sums; and the blocks of the weight.
    let of_tile = 8 * 8 * 32 * 2 + if staged.mins { 8 * 8 * 4 } else { 0 };
    let stage = tiles(rows).min(4) * of_tile + OUTPUTS * staged.bytes;
    let grid = Grid {
        blocks: [gpu::blocks(across, 1), gpu::blocks(splits, 1), 1],
        threads: THREADS,
        shared: 2 * stage as u32,
    };
    let (to, between) = (y.at_mut(0), partial.at_mut(0));
    let args = [w.array.at(0), w.count.into(), operand.at(0), between, to, size(rows), size(outputs), size(inputs)];
    gpu.launch(&gpu::name(&format!("staged_{}", w.name), &[y.element()]), grid, &args)?;
    if splits == 1 {
        return Ok(());
    }
    let args = [partial.at(0), y.at_mut(0), Arg::from(y.len() as u64), size(splits)];
    gpu.launch(&gpu::name("staged_sum", &[y.element()]), Grid::of(gpu::blocks(y.len(), 256), 256), &args)
}
