//! The launches of `lora.cu`.

use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Grid, blocks, f32_only, name, over_elements, threads_of_row};
use crate::tensor::Matrix;
use std::ops::Range;

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

/// Rows up to which the kernels of few rows are called, as in decoding: products of so little take longer to begin than to
/// do. Beyond, cuBLAS multiplies.
pub(super) const FEW: usize = 32;

/// Deltas whose first products one launch makes.
pub(super) const DELTAS: usize = 3;

/// `x Aᵀ` of some rows, for up to three A side by side: `[rows, all ranks]`, f32.
pub(super) fn down(all: &[&Matrix], x: &Matrix, rows: Range<usize>) -> Result<Matrix> {
    let (from, inputs, count) = (x.array()?, x.cols(), rows.len());
    let ranks: usize = all.iter().map(|a| a.rows()).sum();
    if all.len() > DELTAS || all.iter().any(|a| a.cols() != inputs) || rows.end > x.rows() {
        return Err(Error::new(Code::Internal, format!("rows {rows:?} of {:?} for {} deltas", x.shape(), all.len())));
    }
    let mut low = Array::new(from.gpu(), Element::F32, count * ranks)?;
    let mut args = vec![from.at(rows.start * inputs), low.at_mut(0)];
    for index in 0..DELTAS {
        args.push(all.get(index).map_or(Ok(Arg::null()), |a| Ok::<_, Error>(f32_only(a.array()?)?.at(0)))?);
    }
    args.extend((0..DELTAS).map(|index| Arg::from(all.get(index).map_or(0, |a| a.rows()) as u32)));
    args.push(Arg::from(inputs as u32));
    let elements = [from.element()];
    let grid = Grid {
        blocks: [blocks(ranks, 1), blocks(count, 1), 1],
        threads: threads_of_row(inputs, &elements, 1024),
        shared: 0,
    };
    from.gpu().launch_early(&name("lora_down", &elements), grid, &args)?;
    Ok(Matrix::of_array(count, ranks, low))
}

/// Adds `scaling · low Bᵀ` to some rows of `y`.
pub(super) fn up(y: &mut Matrix, rows: Range<usize>, low: &Matrix, b: &Matrix, scaling: f64) -> Result<()> {
    const THREADS: usize = 128;
    let (outputs, rank) = b.shape();
    if y.cols() != outputs || rows.end > y.rows() || low.shape() != (rows.len(), rank) {
        let message = format!("a delta {:?} of {:?} for rows {rows:?} of {:?}", b.shape(), low.shape(), y.shape());
        return Err(Error::new(Code::Internal, message));
    }
    let (low, b, to) = (f32_only(low.array()?)?, f32_only(b.array()?)?, y.array_mut()?);
    let sizes = [Arg::from(outputs as u32), Arg::from(rank as u32), Arg::from(scaling as f32)];
    let args = [to.at_mut(rows.start * outputs), low.at(0), b.at(0), sizes[0], sizes[1], sizes[2]];
    let grid = [blocks(outputs, THREADS), blocks(rows.len(), 1), 1];
    let grid = Grid { blocks: grid, threads: THREADS as u32, shared: 0 };
    low.gpu().launch_early(&name("lora_up", &[to.element()]), grid, &args)
}
