//! What a launch is told of up to three weights that an input meets, and of what goes on top of their products (`parts.cuh`).

use super::{GpuWeight, Storage, size};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, f32_only};
use crate::tensor::Matrix;

/// Weights of a launch.
pub(super) const PARTS: usize = 3;

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
    pub(super) ys: Vec<Matrix>,
    /// Of the parts, and of their low-rank activations.
    pub(super) args: Vec<Arg>,
}

impl Launch {
    pub(super) fn new(terms: &[Term<'_>], low: Option<&Matrix>, x: &Matrix) -> Result<Self> {
        let (from, rows) = (x.array()?, x.rows());
        let mut launch = Launch { ys: Vec::new(), args: Vec::new() };
        for term in terms {
            let (outputs, _) = term.weight.shape;
            let element = if term.onto.is_some() { Element::F32 } else { from.element() };
            let mut y = Array::new(from.gpu(), element, rows * outputs)?;
            launch.args.extend(term.arguments(&mut y, rows)?);
            launch.ys.push(Matrix::of_array(rows, outputs, y));
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
