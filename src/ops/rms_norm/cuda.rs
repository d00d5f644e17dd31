//! The launches of `rms_norm.cu`.

use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Grid, blocks, f32_only, name, threads_of_row};
use crate::tensor::Matrix;
use crate::weights::{Operand, room_for_eight_bits};

/// The longest piece that a warp works on, as the kernels have it.
const OF_A_WARP: usize = 256;

/// `y` of the type given.
pub(super) fn forward(x: &Matrix, weight: &Matrix, eps: f64, element: Element) -> Result<Matrix> {
    let (from, weight) = (x.array()?, f32_only(weight.array()?)?);
    let mut y = Array::new(from.gpu(), element, x.len())?;
    let elements = [from.element(), element];
    let [n, eps, pieces] = sizes(x, weight, eps);
    let args = [from.at(0), weight.at(0), y.at_mut(0), n, eps, pieces];
    from.gpu().launch_early(&name("rms_norm", &elements), grid(x, weight, &elements), &args)?;
    Ok(Matrix::of_array(x.rows(), x.cols(), y))
}

/// The same of whole rows of f32, and in 8 bits.
pub(super) fn in_eight_bits(x: &Matrix, weight: &Matrix, eps: f64, element: Element) -> Result<Operand<'static>> {
    let (from, weight, (rows, n)) = (f32_only(x.array()?)?, f32_only(weight.array()?)?, x.shape());
    if weight.len() != n {
        return Err(Error::new(Code::Internal, format!("rows of {n} normed by a weight of {}", weight.len())));
    }
    let mut y = Array::new(from.gpu(), element, x.len())?;
    let mut bits = room_for_eight_bits(from, rows, n)?;
    let args = [from.at(0), weight.at(0), y.at_mut(0), bits.at_mut(0), Arg::from(n as u32), Arg::from(eps as f32)];
    let grid = Grid::of(blocks(rows, 1), threads_of_row(n, &[Element::F32], 1024));
    from.gpu().launch_early(&name("rms_norm_q8", &[Element::F32, element]), grid, &args)?;
    Ok(Operand::with_eight_bits(Matrix::of_array(rows, n, y), Some(bits)))
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
