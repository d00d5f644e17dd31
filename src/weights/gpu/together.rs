//! Products whose weights, up to three that an input meets, are one launch: of few rows with any weight, and of some rows with
//! K-quants. What goes on top of them is added as they are made.

use super::parts::{Launch, PARTS, Term};
use super::{GpuWeight, Operand, few, products, staged};
use crate::error::{Code, Error, Result};
use crate::tensor::Matrix;

/// Whether these weights and an input can be one launch.
pub(in crate::weights) fn fit(weights: &[&GpuWeight], x: &Operand<'_>) -> bool {
    let (rows, width) = x.matrix().shape();
    (1..=PARTS).contains(&weights.len())
        && weights.iter().all(|weight| weight.shape.1 == width)
        && match rows {
            0 => false,
            1..=products::FEW => weights.iter().all(|weight| weight.element() == weights[0].element()),
            _ => rows <= products::FEW_BLOCKS && weights.iter().all(|weight| weight.staged().is_some()),
        }
}

/// The product with one weight that fits.
pub(super) fn product(weight: &GpuWeight, x: &Operand<'_>) -> Result<Matrix> {
    let mut made = all(&[Term { weight, bias: None, onto: None, delta: None }], None, x)?;
    made.pop().ok_or_else(|| Error::new(Code::Internal, "a product that was not made"))
}

/// The products with weights that fit, with what goes on top. `low [rows, ranks of all deltas]`: the low-rank activations
/// side by side.
pub(in crate::weights) fn all(terms: &[Term<'_>], low: Option<&Matrix>, x: &Operand<'_>) -> Result<Vec<Matrix>> {
    let mut launch = Launch::new(terms, low, x.matrix())?;
    match x.matrix().rows() <= products::FEW {
        true => few::products(terms, &mut launch, x)?,
        false => staged::products(terms, &mut launch, x)?,
    }
    Ok(launch.ys)
}
