//! Products with a frozen matrix that is dequantized to f32 a group of rows at a time: exact, and no more memory than a group.

use crate::error::{Code, Error, Result};
use crate::tensor::buffers;
use crate::tensor::gemm::{Mat, all_threads, gemm};
use crate::tensor::{Buffer, Matrix};
use rayon::prelude::*;

/// Rows that are dequantized at the same time: enough to keep a product busy, few enough to stay in cache.
const GROUP: usize = 512;

/// A matrix `[outputs, inputs]` kept in another form than f32.
pub(super) trait Rows: Sync {
    /// `(outputs, inputs)`
    fn shape(&self) -> (usize, usize);

    /// Writes row `index`, dequantized.
    fn row(&self, index: usize, out: &mut [f32]);
}

/// `x [rows, inputs]` times the transpose, `[rows, outputs]`.
pub(super) fn product<W: Rows + ?Sized>(matrix: &W, x: &[f32], rows: usize) -> Result<Buffer> {
    let (outputs, inputs) = matrix.shape();
    let mut y = buffers::take(rows * outputs)?;
    each_group(matrix, |first, count, weights| {
        let (x, w) = (Mat::new(x, rows, inputs), Mat::new(weights, count, inputs));
        gemm(&mut y[first..], outputs, false, x, w.t(), 1.0, all_threads());
    })?;
    Ok(y)
}

/// `dy [rows, outputs]` times the matrix, `[rows, inputs]`.
pub(super) fn transposed_product<W: Rows + ?Sized>(matrix: &W, dy: &[f32], rows: usize) -> Result<Buffer> {
    let (outputs, inputs) = matrix.shape();
    let mut dx = buffers::take(rows * inputs)?;
    each_group(matrix, |first, count, weights| {
        let dy = Mat::strided(&dy[first.min(dy.len())..], rows, count, outputs);
        gemm(&mut dx, inputs, first > 0, dy, Mat::new(weights, count, inputs), 1.0, all_threads());
    })?;
    Ok(dx)
}

/// The rows of `ids`, dequantized: the lookup of an embedding.
pub(super) fn gather<W: Rows + ?Sized>(matrix: &W, ids: &[u32]) -> Result<Matrix> {
    let (outputs, inputs) = matrix.shape();
    let mut out = buffers::take(ids.len() * inputs)?;
    for (&id, out) in ids.iter().zip(out.chunks_mut(inputs)) {
        if id as usize >= outputs {
            return Err(Error::new(Code::Internal, format!("row {id} of a weight of {outputs} rows")));
        }
        matrix.row(id as usize, out);
    }
    Ok(Matrix::host(ids.len(), inputs, out))
}

/// The elements and rows of an operand that must be `width` wide.
pub(super) fn operand(x: &Matrix, width: usize) -> Result<(&[f32], usize)> {
    if x.cols() == width {
        return Ok((x.slice()?, x.rows()));
    }
    Err(Error::new(Code::Internal, format!("product of {:?} and a quantized weight {width} wide", x.shape())))
}

/// Bytes of a group of a matrix of that shape.
pub(super) fn group_bytes((outputs, inputs): (usize, usize)) -> u64 {
    (GROUP.min(outputs) * inputs * size_of::<f32>()) as u64
}

/// Calls `work(first row, rows, dequantized rows)` for one group of rows after the other.
fn each_group<W: Rows + ?Sized>(matrix: &W, mut work: impl FnMut(usize, usize, &[f32])) -> Result<()> {
    let (outputs, inputs) = matrix.shape();
    let mut buffer = buffers::take(GROUP.min(outputs) * inputs)?;
    for first in (0..outputs).step_by(GROUP) {
        let count = GROUP.min(outputs - first);
        let buffer = &mut buffer[..count * inputs];
        buffer.par_chunks_mut(inputs).enumerate().for_each(|(i, out)| matrix.row(first + i, out));
        work(first, count, buffer);
    }
    Ok(())
}
