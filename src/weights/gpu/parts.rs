//! Products whose weights, up to three that an input meets, are one launch (`parts.cuh`): of few rows with any weight, and of
//! some rows with K-quants. What goes on top of them is added as they are made.

use super::{GpuWeight, Operand, Storage, few, products, size, staged};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, f32_only};
use crate::tensor::Matrix;

/// Weights of a launch.
const PARTS: usize = 3;

/// A weight of a launch, and what goes on top of its product.
pub(in crate::weights) struct Term<'a> {
    pub(in crate::weights) weight: &'a GpuWeight,
    /// `[1, outputs]`
    pub(in crate::weights) bias: Option<&'a Matrix>,
    /// A residual stream, `[rows, outputs]`, f32; the result is f32 then, too.
    pub(in crate::weights) onto: Option<&'a Matrix>,
    /// The B of a low-rank delta, `[outputs, rank]`, and its scaling.
    pub(in crate::weights) delta: Option<(&'a Matrix, f64)>,
}

/// The products of a launch that are being made, and what its kernels are told of them.
pub(super) struct Launch {
    ys: Vec<Array>,
    shapes: Vec<(usize, usize)>,
    /// Of the parts, and of their low-rank activations.
    pub(super) args: Vec<Arg>,
}

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
    Ok(launch.ys.into_iter().zip(launch.shapes).map(|(y, (rows, cols))| Matrix::of_array(rows, cols, y)).collect())
}

impl Launch {
    fn new(terms: &[Term<'_>], low: Option<&Matrix>, x: &Matrix) -> Result<Self> {
        let (from, rows) = (x.array()?, x.rows());
        let mut launch = Launch { ys: Vec::new(), shapes: Vec::new(), args: Vec::new() };
        for term in terms {
            let (outputs, _) = term.weight.shape;
            let element = if term.onto.is_some() { Element::F32 } else { from.element() };
            let mut y = Array::new(from.gpu(), element, rows * outputs)?;
            launch.args.extend(term.arguments(&mut y, rows)?);
            launch.ys.push(y);
            launch.shapes.push((rows, outputs));
        }
        for _ in terms.len()..PARTS {
            launch.args.extend(nothing());
        }
        let ranks: usize = terms.iter().map(Term::rank).sum();
        launch.args.push(match low {
            Some(low) if low.shape() == (rows, ranks) => f32_only(low.array()?)?.at(0),
            None if ranks == 0 => Arg::null(),
            _ => return Err(Error::new(Code::Internal, format!("low-rank activations of {ranks} ranks"))),
        });
        Ok(launch)
    }
}

impl Term<'_> {
    fn rank(&self) -> usize {
        self.delta.map_or(0, |(b, _)| b.cols())
    }

    fn arguments(&self, y: &mut Array, rows: usize) -> Result<[Arg; 10]> {
        let (outputs, _) = self.weight.shape;
        let address = |matrix: Option<&Matrix>, shape: (usize, usize)| match matrix {
            None => Ok(Arg::null()),
            Some(matrix) if matrix.shape() == shape => Ok(f32_only(matrix.array()?)?.at(0)),
            Some(matrix) => {
                let message = format!("{:?} on top of a product where {shape:?} is expected", matrix.shape());
                Err(Error::new(Code::Internal, message))
            }
        };
        let (weight, count, kind) = match &self.weight.storage {
            Storage::Blocks(blocks) => (&blocks.array, blocks.count, blocks.kind),
            Storage::Dense(array) => (array, 0, 0),
        };
        Ok([
            weight.at(0),
            count.into(),
            y.at_mut(0),
            address(self.bias, (1, outputs))?,
            address(self.onto, (rows, outputs))?,
            address(self.delta.map(|(b, _)| b), (outputs, self.rank()))?,
            size(outputs),
            kind.into(),
            size(self.rank()),
            (self.delta.map_or(0.0, |(_, scaling)| scaling) as f32).into(),
        ])
    }
}

/// The arguments of a part that is not there.
fn nothing() -> [Arg; 10] {
    [Arg::null(); 10]
}
