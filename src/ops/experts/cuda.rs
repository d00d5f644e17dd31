//! The launches of `experts.cu`.

use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, name, over_columns, threads_of_row};
use crate::tensor::Matrix;

/// No row may be named twice.
pub(super) fn add_weighted(to: &mut Matrix, rows: &[u32], weights: &[f32], from: &Matrix) -> Result<()> {
    let (cols, to, from) = (to.cols(), to.array_mut()?, from.array()?);
    let elements = [to.element(), from.element()];
    let (rows, weights) = (Array::upload_u32(to.gpu(), rows)?, Array::upload_f32(to.gpu(), weights)?);
    let args = [to.at_mut(0), from.at(0), rows.at(0), weights.at(0), Arg::from(cols as u32)];
    to.gpu().launch(&name("add_weighted", &elements), over_columns(rows.len(), cols, &elements), &args)
}

pub(super) fn scale_rows(x: &mut Matrix, weights: &[f32]) -> Result<()> {
    let (rows, cols) = x.shape();
    let x = x.array_mut()?;
    let elements = [x.element()];
    let weights = Array::upload_f32(x.gpu(), weights)?;
    let args = [x.at_mut(0), weights.at(0), Arg::from(cols as u32)];
    x.gpu().launch(&name("scale_rows", &elements), over_columns(rows, cols, &elements), &args)
}

/// Waits.
pub(super) fn row_products(a: &Matrix, b: &Matrix) -> Result<Vec<f32>> {
    let (rows, cols) = a.shape();
    let (a, b) = (a.array()?, b.array()?);
    let elements = [a.element(), b.element()];
    let mut products = Array::new(a.gpu(), Element::F32, rows)?;
    let args = [a.at(0), b.at(0), products.at_mut(0), Arg::from(cols as u32)];
    let grid = Grid::of(blocks(rows, 1), threads_of_row(cols, &elements, 512));
    a.gpu().launch(&name("row_products", &elements), grid, &args)?;
    products.download_f32()
}
