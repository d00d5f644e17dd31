//! Products with weights on a card. Few rows are multiplied with the weight as it lies, more of them by tensor cores; for
//! many, rows or columns of a quantized weight are dequantized to bf16, and cuBLAS multiplies. Results have the type of the
//! activations.

use super::layout::Blocks;
use super::size;
use crate::error::Result;
use crate::gpu::{self, Array, Element, Gemm, Grid};
use std::ops::Range;

/// Rows of activations that the kernels of few rows take (`few.rs`).
pub(super) const FEW: usize = 8;
/// Rows up to which tensor cores multiply a quantized weight as it lies; dequantizing one moves eight times the bytes of
/// four bits.
pub(super) const FEW_BLOCKS: usize = 64;
/// Threads of a block that writes rows.
const THREADS: usize = 128;
/// Bytes of a weight that are dequantized at the same time.
const WORKSPACE: usize = gpu::SCRATCH;
/// Bytes of a part from which on it lies in a piece of all of them, the same for all weights.
const LARGE: usize = 1 << 20;
/// Rows and columns that a part of a weight has a multiple of, so that products of parts have no ragged edge inside.
const PART: usize = 128;
/// Columns of a part below which a product would read its other operand too often, and have too few tiles to fill a card.
const NARROW: usize = 512;

/// `x Wᵀ` of quantized weights and many rows.
pub(super) fn of_blocks(w: &Blocks, shape: (usize, usize), x: &Array, rows: usize) -> Result<Array> {
    let mut y = Array::new(x.gpu(), x.element(), rows * shape.0)?;
    if rows > 0 {
        add_blocks(w, shape, x, rows, &mut y, 0.0)?;
    }
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

/// `dy W` of quantized weights: some columns of the result after others, so that no sum is rounded in parts.
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
    if has_long_columns(outputs) {
        let before = (beta != 0.0).then_some(&*dx);
        *dx = summed(w, (outputs, inputs), dy, rows, before, parts(outputs, inputs, PART))?;
        return Ok(());
    }
    let cast = dy.in_type(Element::Bf16)?;
    let dy = cast.as_ref().unwrap_or(dy);
    for part in parts(inputs, outputs, NARROW) {
        let weight = dequantized(w, inputs, 0..outputs, part.clone())?;
        multiply(dx, (part.start, inputs, beta), dy, (&weight, outputs, part.len()), false, rows)?;
    }
    Ok(())
}

/// Whether a weight has so many rows, as that of a large vocabulary, that fewer than `NARROW` columns fit into the workspace.
fn has_long_columns(outputs: usize) -> bool {
    outputs * NARROW * Element::Bf16.size() > WORKSPACE
}

/// `dy W`, on top of what is there before, as a sum over parts of the weight's rows, in f32.
pub(super) fn summed(
    w: &Blocks,
    (outputs, inputs): (usize, usize),
    dy: &Array,
    rows: usize,
    before: Option<&Array>,
    parts: impl Iterator<Item = Range<usize>>,
) -> Result<Array> {
    let cast = dy.in_type(Element::Bf16)?;
    let operand = cast.as_ref().unwrap_or(dy);
    let gpu = dy.gpu();
    let mut sum = match before {
        Some(before) => before.cast(Element::F32)?,
        None => Array::zeros(gpu, Element::F32, rows * inputs)?,
    };
    for part in parts {
        let weight = dequantized(w, inputs, part.clone(), 0..inputs)?;
        gpu.gemm(Gemm {
            m: rows,
            n: inputs,
            k: part.len(),
            transpose_a: false,
            transpose_b: false,
            alpha: 1.0,
            beta: 1.0,
            a: (operand, part.start),
            lda: outputs,
            b: (&weight, 0),
            ldb: inputs,
            c: (&mut sum, 0),
            ldc: inputs,
        })?;
    }
    Ok(sum.in_type(dy.element())?.unwrap_or(sum))
}

/// `x Wᵀ` of a dense weight.
pub(super) fn of_dense(w: &Array, (outputs, inputs): (usize, usize), x: &Array, rows: usize) -> Result<Array> {
    cublas(w, (outputs, inputs), x, outputs, true, rows)
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
    let of_columns = if has_long_columns(outputs) { 0 } else { largest(inputs, outputs, NARROW) };
    let bytes = largest(outputs, inputs, PART).max(of_columns) * Element::Bf16.size();
    if bytes < LARGE { bytes as u64 } else { bytes.max(WORKSPACE) as u64 }
}

/// The grid of kernels that write so many rows, eight columns at a time, and twice so that a row's address is worth its price.
pub(super) fn rows_of_octets(rows: usize, columns: usize) -> Grid {
    let blocks = [gpu::blocks(rows, 1), gpu::blocks(columns, 2 * 8 * THREADS), 1];
    Grid { blocks, threads: THREADS as u32, shared: 0 }
}

/// A rectangle of a quantized weight of `inputs` columns, in bf16; what is behind it in the array is nothing.
fn dequantized(w: &Blocks, inputs: usize, rows: Range<usize>, columns: Range<usize>) -> Result<Array> {
    let gpu = w.array.gpu();
    let size_of = Element::Bf16.size();
    let room = match rows.len() * columns.len() {
        part if (LARGE / size_of..=WORKSPACE / size_of).contains(&part) => WORKSPACE / size_of,
        part => part,
    };
    let mut out = Array::new(gpu, Element::Bf16, room)?;
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
