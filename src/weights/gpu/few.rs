//! Products of few rows, as decoding makes them: the weights that an input meets are one launch, and what goes on top of
//! their products is added as they are made (`parts.cuh`).

use super::products::FEW;
use super::{GpuWeight, Operand, Storage, size};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Grid, blocks, f32_only, name};
use crate::tensor::Matrix;

/// Weights of a launch.
const PARTS: usize = 3;
/// Threads of a block at most, of quantized weights and of dense ones, and the outputs it has (`parts.cuh`).
const THREADS: [usize; 2] = [64, 128];
const OUTPUTS: usize = 4;

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

/// Whether these weights and an input can be one launch.
pub(in crate::weights) fn fit(weights: &[&GpuWeight], x: &Operand<'_>) -> bool {
    let (rows, width) = x.matrix().shape();
    let alike = |weight: &&GpuWeight| weight.shape.1 == width && weight.element() == weights[0].element();
    (1..=PARTS).contains(&weights.len()) && (1..=FEW).contains(&rows) && weights.iter().all(alike)
}

/// The product with one weight that fits.
pub(super) fn product(weight: &GpuWeight, x: &Operand<'_>) -> Result<Matrix> {
    let mut made = products(&[Term { weight, bias: None, onto: None, delta: None }], None, x)?;
    made.pop().ok_or_else(|| Error::new(Code::Internal, "a product that was not made"))
}

/// The products with weights that fit, with what goes on top. `low [rows, ranks of all deltas]`: the low-rank activations
/// side by side.
pub(in crate::weights) fn products(terms: &[Term<'_>], low: Option<&Matrix>, x: &Operand<'_>) -> Result<Vec<Matrix>> {
    let (from, (rows, width)) = (x.matrix().array()?, x.matrix().shape());
    let mut ys = Vec::with_capacity(terms.len());
    let mut args = Vec::new();
    for term in terms {
        let (outputs, _) = term.weight.shape;
        let element = if term.onto.is_some() { Element::F32 } else { from.element() };
        let mut y = Array::new(from.gpu(), element, rows * outputs)?;
        args.extend(term.arguments(&mut y, rows)?);
        ys.push(Matrix::of_array(rows, outputs, y));
    }
    for _ in terms.len()..PARTS {
        args.extend(nothing());
    }
    let ranks: usize = terms.iter().map(Term::rank).sum();
    args.push(match low {
        Some(low) if low.shape() == (rows, ranks) => f32_only(low.array()?)?.at(0),
        None if ranks == 0 => Arg::null(),
        _ => return Err(Error::new(Code::Internal, format!("low-rank activations of {ranks} ranks"))),
    });
    let at_once = rows.next_power_of_two();
    let pieces = terms.iter().map(|term| width.div_ceil(term.weight.piece())).max().unwrap_or(1);
    let element = terms.first().and_then(|term| term.weight.element());
    let (kernel, operand) = match element {
        None => (name(&format!("matvec{at_once}_q8"), &[from.element()]), x.eight_bits()?),
        Some(element) => (name(&format!("matvec{at_once}"), &[element, from.element()]), from),
    };
    args.extend([operand.at(0), size(rows), size(width)]);
    let grid = terms.iter().map(|term| blocks(term.weight.shape.0, OUTPUTS)).sum();
    let threads = pieces.next_multiple_of(32).clamp(32, THREADS[usize::from(element.is_some())]) as u32;
    from.gpu().launch_early(&kernel, Grid::of(grid, threads), &args)?;
    Ok(ys)
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

impl GpuWeight {
    /// Of a dense weight.
    fn element(&self) -> Option<Element> {
        match &self.storage {
            Storage::Blocks(_) => None,
            Storage::Dense(array) => Some(array.element()),
        }
    }

    /// Weights that a lane multiplies at a time.
    fn piece(&self) -> usize {
        match &self.storage {
            Storage::Blocks(blocks) => blocks.on_card.piece,
            Storage::Dense(_) => 8,
        }
    }
}
