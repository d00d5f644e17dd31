//! The launches of `rms_norm.cu`.

use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, f32_only, name, threads_of_row};
use crate::tensor::Matrix;

/// The longest piece that a warp works on, as the kernels have it.
const OF_A_WARP: usize = 256;

/// `y` of the type given.
pub(super) fn forward(x: &Matrix, weight: &Matrix, eps: f64, element: Element) -> Result<Matrix> {
    let (from, weight) = (x.array()?, f32_only(weight.array()?)?);
    let mut y = Array::new(from.gpu(), element, x.len())?;
    let elements = [from.element(), element];
    let [n, eps, pieces] = sizes(x, weight, eps);
    let args = [from.at(0), weight.at(0), y.at_mut(0), n, eps, pieces];
    from.gpu().launch(&name("rms_norm", &elements), grid(x, weight, &elements), &args)?;
    Ok(Matrix::of_array(x.rows(), x.cols(), y))
}

/// `dx` of the type of `x`.
pub(super) fn backward(x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix) -> Result<Matrix> {
    let from = x.array()?;
    let mut dx = Matrix::of_array(x.rows(), x.cols(), Array::new(from.gpu(), from.element(), x.len())?);
    launch_backward("rms_norm_backward", x, weight, eps, dy, &mut dx)?;
    Ok(dx)
}

/// Adds it to the gradient of the residual stream, which is f32.
pub(super) fn add_backward(x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
    f32_only(dx.array()?)?;
    launch_backward("rms_norm_backward_add", x, weight, eps, dy, dx)
}

fn launch_backward(kernel: &str, x: &Matrix, weight: &Matrix, eps: f64, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
    let (from, weight, dy) = (x.array()?, f32_only(weight.array()?)?, dy.array()?);
    let elements = [from.element(), dy.element()];
    let [n, eps, pieces] = sizes(x, weight, eps);
    let args = [from.at(0), weight.at(0), dy.at(0), dx.array_mut()?.at_mut(0), n, eps, pieces];
    from.gpu().launch(&name(kernel, &elements), grid(x, weight, &elements), &args)
}

fn sizes(x: &Matrix, weight: &Array, eps: f64) -> [Arg; 3] {
    let pieces = x.len() / weight.len().max(1);
    [Arg::from(weight.len() as u32), Arg::from(eps as f32), Arg::from(pieces as u64)]
}

/// A warp for each short piece, a block for each long one.
fn grid(x: &Matrix, weight: &Array, elements: &[Element]) -> Grid {
    const WARPS: usize = 8;
    let n = weight.len();
    let pieces = x.len() / n.max(1);
    match n <= OF_A_WARP {
        true => Grid::of(blocks(pieces, WARPS), 32 * WARPS as u32),
        false => Grid::of(blocks(pieces, 1), threads_of_row(n, elements, 512)),
    }
}
