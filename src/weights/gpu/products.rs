//! Products with weights on a card. Few rows are multiplied with the weight as it lies, more of them by tensor cores; for
//! many, rows or columns of a quantized weight are dequantized to bf16, and cuBLAS multiplies. Results have the type of the
//! activations.

use super::layout::Blocks;
use super::{size, some_rows};
use crate::error::Result;
use crate::gpu::{self, Array, Element, Gemm, Grid};
use std::ops::Range;

/// Rows of activations that a kernel multiplies with a weight at a time.
const FEW: usize = 8;
/// Rows up to which tensor cores multiply a quantized weight as it lies; dequantizing one moves eight times the bytes of
/// four bits.
pub(super) const FEW_BLOCKS: usize = 64;
/// Threads of a block that multiplies, and the outputs it has.
const THREADS: usize = 128;
const OUTPUTS: usize = 4;
/// Bytes of a weight that are dequantized at the same time, where that leaves `NARROW` columns.
const WORKSPACE: usize = 64 << 20;
/// Rows and columns that a part of a weight has a multiple of, so that products of parts have no ragged edge inside.
const PART: usize = 128;
/// Columns of a part below which a product would read its other operand too often.
const NARROW: usize = 512;

/// `x Wᵀ` of quantized weights.
pub(super) fn of_blocks(w: &Blocks, shape: (usize, usize), x: &Array, rows: usize) -> Result<Array> {
    let mut y = Array::new(x.gpu(), x.element(), rows * shape.0)?;
    if rows <= FEW_BLOCKS {
        let multiply = if rows <= FEW { of_few } else { some_rows::of_blocks };
        multiply(w, shape, x, &mut y, rows)?;
        return Ok(y);
    }
    add_blocks(w, shape, x, rows, &mut y, 0.0)?;
    Ok(y)
}

/// The same of many rows, on top of `beta · y`.
pub(super) fn add_blocks(
    w: &Blocks,
    (outputs, inputs): (usize, usize),
    x: &Array,
    rows: usize,
    y: &mut Array,
    beta: f32,
) -> Result<()> {
    let cast = x.in_type(Element::Bf16)?;
    let x = cast.as_ref().unwrap_or(x);
    for part in parts(outputs, inputs, PART) {
        let weight = dequantized(w, inputs, part.clone(), 0..inputs)?;
        multiply(y, (part.start, outputs, beta), x, (&weight, part.len(), inputs), true, rows)?;
    }
    Ok(())
}

/// `dy W` of quantized weights: column by column of the result, so that no sum is rounded in parts.
pub(super) fn of_transposed_blocks(w: &Blocks, shape: (usize, usize), dy: &Array, rows: usize) -> Result<Array> {
    let mut dx = Array::new(dy.gpu(), dy.element(), rows * shape.1)?;
    if rows > 0 {
        add_transposed_blocks(w, shape, dy, rows, &mut dx, 0.0)?;
    }
    Ok(dx)
}

/// The same on top of `beta · dx`.
pub(super) fn add_transposed_blocks(
    w: &Blocks,
    (outputs, inputs): (usize, usize),
    dy: &Array,
    rows: usize,
    dx: &mut Array,
    beta: f32,
) -> Result<()> {
    let cast = dy.in_type(Element::Bf16)?;
    let dy = cast.as_ref().unwrap_or(dy);
    for part in parts(inputs, outputs, NARROW) {
        let weight = dequantized(w, inputs, 0..outputs, part.clone())?;
        multiply(dx, (part.start, inputs, beta), dy, (&weight, outputs, part.len()), false, rows)?;
    }
    Ok(())
}

/// `x Wᵀ` of a dense weight.
pub(super) fn of_dense(w: &Array, (outputs, inputs): (usize, usize), x: &Array, rows: usize) -> Result<Array> {
    if rows > FEW {
        return cublas(w, (outputs, inputs), x, outputs, true, rows);
    }
    let mut y = Array::new(x.gpu(), x.element(), rows * outputs)?;
    let kernel = gpu::name(&format!("matvec{}", rows.next_power_of_two()), &[w.element(), x.element()]);
    let grid = Grid::of(gpu::blocks(outputs, OUTPUTS), threads(inputs.div_ceil(8)));
    let to = y.at_mut(0);
    if rows > 0 {
        x.gpu().launch(&kernel, grid, &[w.at(0), x.at(0), to, size(rows), size(outputs), size(inputs)])?;
    }
    Ok(y)
}

/// `dy W` of a dense weight.
pub(super) fn of_transposed_dense(
    w: &Array,
    (outputs, inputs): (usize, usize),
    dy: &Array,
    rows: usize,
) -> Result<Array> {
    cublas(w, (outputs, inputs), dy, inputs, false, rows)
}

/// Adds `x Wᵀ` of many rows to `y`, of the type of `x`.
pub(super) fn add_dense(
    w: &Array,
    (outputs, inputs): (usize, usize),
    x: &Array,
    rows: usize,
    y: &mut Array,
) -> Result<()> {
    let cast = x.in_type(w.element())?;
    multiply(y, (0, outputs, 1.0), cast.as_ref().unwrap_or(x), (w, outputs, inputs), true, rows)
}

/// Adds `dy W` to `dx`, of the type of `dy`.
pub(super) fn add_transposed_dense(
    w: &Array,
    (outputs, inputs): (usize, usize),
    dy: &Array,
    rows: usize,
    dx: &mut Array,
) -> Result<()> {
    let cast = dy.in_type(w.element())?;
    multiply(dx, (0, inputs, 1.0), cast.as_ref().unwrap_or(dy), (w, outputs, inputs), false, rows)
}

/// Bytes of the largest part of a weight that is dequantized at a time.
pub(super) fn workspace_bytes((outputs, inputs): (usize, usize)) -> u64 {
    let largest = |count, width, least| parts(count, width, least).map(|part| part.len() * width).max().unwrap_or(0);
    (largest(outputs, inputs, PART).max(largest(inputs, outputs, NARROW)) * Element::Bf16.size()) as u64
}

/// The grid of kernels that write so many rows, eight columns at a time, and twice so that a row's address is worth its price.
pub(super) fn rows_of_octets(rows: usize, columns: usize) -> Grid {
    let blocks = [gpu::blocks(rows, 1), gpu::blocks(columns, 2 * 8 * THREADS), 1];
    Grid { blocks, threads: THREADS as u32, shared: 0 }
}

/// Few rows with quantized weights, by integers: activations in 8 bits.
fn of_few(w: &Blocks, (outputs, inputs): (usize, usize), x: &Array, y: &mut Array, rows: usize) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let gpu = x.gpu();
    // A byte each, and eight for every 32.
    let mut operand = Array::new(gpu, Element::U8, rows * inputs.div_ceil(32) * 40)?;
    let to = operand.at_mut(0);
    let grid = Grid { blocks: [gpu::blocks(inputs, 256), gpu::blocks(rows, 1), 1], threads: 256, shared: 0 };
    gpu.launch(&gpu::name("quantize_q8", &[x.element()]), grid, &[x.at(0), to, size(rows), size(inputs)])?;

    let at_once = rows.next_power_of_two().min(FEW);
    let kernel = gpu::name(&format!("matvec{at_once}_{}", w.name), &[y.element()]);
    let blocks = gpu::blocks(outputs, OUTPUTS) * gpu::blocks(rows, at_once);
    let grid = Grid::of(blocks, threads(inputs.div_ceil(w.on_card.piece)));
    let to = y.at_mut(0);
    let sizes = [size(rows), size(outputs), size(inputs)];
    let args = [w.array.at(0), w.count.into(), operand.at(0), to, sizes[0], sizes[1], sizes[2]];
    gpu.launch(&kernel, grid, &args)
}

/// Threads of a block whose lanes go through so many pieces of a row.
fn threads(pieces: usize) -> u32 {
    pieces.next_multiple_of(32).clamp(32, THREADS) as u32
}

/// A rectangle of a quantized weight of `inputs` columns, in bf16.
fn dequantized(w: &Blocks, inputs: usize, rows: Range<usize>, columns: Range<usize>) -> Result<Array> {
    let gpu = w.array.gpu();
    let mut out = Array::new(gpu, Element::Bf16, rows.len() * columns.len())?;
    let to = out.at_mut(0);
    let place = [size(rows.start), size(inputs), size(columns.start), size(columns.len())];
    let args = [w.array.at(0), w.count.into(), to, place[0], place[1], place[2], place[3]];
    let kernel = format!("dequantize_{}_bf16", w.name);
    gpu.launch(&kernel, rows_of_octets(rows.len(), columns.len()), &args)?;
    Ok(out)
}

/// Parts of `count` rows or columns of `width` elements, of equal size: within the workspace, but not below `least`.
fn parts(count: usize, width: usize, least: usize) -> impl Iterator<Item = Range<usize>> {
    let fitting = (WORKSPACE / (width * Element::Bf16.size()).max(1)).max(least);
    let part = count.div_ceil(count.div_ceil(fitting).max(1)).next_multiple_of(PART);
    (0..count).step_by(part.max(1)).map(move |first| first..count.min(first + part))
}

/// A product with a dense weight by cuBLAS: what does not go together is made bf16, or f32 where the weight is.
fn cublas(
    w: &Array,
    (outputs, inputs): (usize, usize),
    x: &Array,
    columns: usize,
    transpose: bool,
    rows: usize,
) -> Result<Array> {
    let cast = x.in_type(w.element())?;
    // f32 operands give f32.
    let element = if w.element() == Element::F32 { Element::F32 } else { x.element() };
    let mut y = Array::new(x.gpu(), element, rows * columns)?;
    multiply(&mut y, (0, columns, 0.0), cast.as_ref().unwrap_or(x), (w, outputs, inputs), transpose, rows)?;
    if element == x.element() { Ok(y) } else { y.cast(x.element()) }
}

/// Columns from `first` on of `y`, which has `stride`, become `x Wᵀ`, or `x W` where it is not transposed, on top of
/// `beta · y`.
fn multiply(
    y: &mut Array,
    (first, stride, beta): (usize, usize, f32),
    x: &Array,
    (w, w_rows, w_columns): (&Array, usize, usize),
    transpose: bool,
    rows: usize,
) -> Result<()> {
    let (n, k) = if transpose { (w_rows, w_columns) } else { (w_columns, w_rows) };
    if rows == 0 || n == 0 {
        return Ok(());
    }
    let gpu = y.gpu().clone();
    gpu.gemm(Gemm {
        m: rows,
        n,
        k,
        transpose_a: false,
        transpose_b: transpose,
        alpha: 1.0,
        beta,
        a: (x, 0),
        lda: k,
        b: (w, 0),
        ldb: w_columns,
        c: (y, first),
        ldc: stride,
    })
}
