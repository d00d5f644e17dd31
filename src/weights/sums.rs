//! Outputs of layers on the CPU: their products, and what goes on top of them, in one parallel loop for all layers that share an
//! input.

use super::panel_product::{self, Delta, Join, Term};
use super::{Dense, FrozenMatrix, Operand};
use crate::error::{Code, Error, Result};
use crate::tensor::Matrix;
use std::ops::Range;

/// A layer's output: `x Wᵀ + b`, then deltas, then a residual stream.
pub(crate) struct Sum<'a> {
    pub(super) weight: &'a dyn FrozenMatrix,
    /// `[1, outputs]`
    pub(super) bias: Option<&'a Matrix>,
    pub(super) deltas: Vec<Up<'a>>,
    /// `[rows, outputs]`
    pub(super) onto: Option<&'a Matrix>,
}

/// The second product of a low-rank delta: `scaling · low Bᵀ` for some rows.
pub(crate) struct Up<'a> {
    pub(crate) rows: Range<usize>,
    /// `[rows, rank]`
    pub(crate) low: &'a Matrix,
    /// `[outputs, rank]`
    pub(crate) b: &'a Dense,
    pub(crate) scaling: f32,
}

impl Sum<'_> {
    /// The outputs of layers that share an input, where all products are made panel by panel.
    pub(crate) fn outputs(sums: &[Sum<'_>], x: &Operand<'_>) -> Result<Option<Vec<Matrix>>> {
        let mut terms = Vec::with_capacity(sums.len());
        for sum in sums {
            let Some(term) = sum.term(x)? else { return Ok(None) };
            terms.push(term);
        }
        outputs(&terms, x.matrix().rows()).map(Some)
    }

    /// What `join` makes of two outputs, where both products are made by the same panels.
    pub(crate) fn joined(sums: &[Sum<'_>], x: &Operand<'_>, join: Join<'_>) -> Result<Option<Matrix>> {
        let [one, other] = sums else { return Ok(None) };
        let (Some(one), Some(other)) = (one.term(x)?, other.term(x)?) else { return Ok(None) };
        let (rows, outputs) = (x.matrix().rows(), one.product.outputs());
        Ok(panel_product::joined([&one, &other], rows, join)?.map(|y| Matrix::host(rows, outputs, y)))
    }

    fn term<'a>(&'a self, x: &'a Operand<'_>) -> Result<Option<Term<'a>>> {
        let Some(product) = self.weight.by_panels(x)? else { return Ok(None) };
        let (rows, outputs) = (x.matrix().rows(), self.weight.shape().0);
        let bias = self.bias.map(|bias| elements(bias, (1, outputs))).transpose()?;
        let onto = self.onto.map(|onto| elements(onto, (rows, outputs))).transpose()?;
        let mut deltas = Vec::with_capacity(self.deltas.len());
        for Up { rows: of, low, b, scaling } in &self.deltas {
            if of.end > rows || b.shape().0 != outputs {
                let message = format!("a delta {:?} for rows {of:?} of {:?}", b.shape(), (rows, outputs));
                return Err(Error::new(Code::Internal, message));
            }
            let low = elements(low, (of.len(), b.shape().1))?;
            let Some(product) = b.by_panels_of_f32(low) else { return Ok(None) };
            deltas.push(Delta { rows: of.clone(), product, scaling: *scaling });
        }
        Ok(Some(Term { product, bias, deltas, onto }))
    }
}

/// The products of an input with several weights.
pub(crate) fn products(weights: &[&Dense], x: &Operand<'_>) -> Result<Vec<Matrix>> {
    let mut terms = Vec::with_capacity(weights.len());
    for weight in weights {
        let Some(product) = weight.by_panels(x)? else {
            return weights.iter().map(|weight| weight.product(x)).collect();
        };
        terms.push(Term { product, bias: None, deltas: Vec::new(), onto: None });
    }
    outputs(&terms, x.matrix().rows())
}

fn outputs(terms: &[Term<'_>], rows: usize) -> Result<Vec<Matrix>> {
    let ys = panel_product::outputs(terms, rows)?;
    Ok(terms.iter().zip(ys).map(|(term, y)| Matrix::host(rows, term.product.outputs(), y)).collect())
}

/// The elements of a matrix in host memory that must have a shape.
fn elements(matrix: &Matrix, shape: (usize, usize)) -> Result<&[f32]> {
    match matrix.shape() == shape {
        true => matrix.slice(),
        false => {
            let message = format!("{:?} beside a product where {shape:?} is expected", matrix.shape());
            Err(Error::new(Code::Internal, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::testing::{assert_close, flat, normal};
    use crate::tensor::{Device, Form};
    use crate::weights::kernel::Kernel;
    use crate::weights::{DenseType, Dtype, Linear, WeightType};
    use std::sync::Arc;

    const INPUTS: usize = 256;
    const OUTPUTS: [usize; 4] = [70, 5, 33, 128];
    const RANK: usize = 3;
    const SCALING: f32 = 0.5;

    /// A layer of each kind, two with a bias.
    fn layers() -> [Linear; 4] {
        let device = Device::host();
        let values = |index: usize| normal(OUTPUTS[index], INPUTS, index as u64).values().unwrap();
        let dense = |index: usize, dtype: Dtype| {
            let kind = DenseType::on(&device, dtype, false);
            Arc::new(Dense::new([OUTPUTS[index], INPUTS], values(index), kind, false, &device).unwrap())
        };
        let quantized = |index: usize, name: &str| {
            (WeightType::named(name).unwrap().quantize)([OUTPUTS[index], INPUTS], &values(index), false).unwrap()
        };
        let bias = |index: usize| Some(normal(1, OUTPUTS[index], 9));
        [
            Linear::new(quantized(0, "q8_0"), bias(0)),
            Linear::new(dense(1, Dtype::F32), None),
            Linear::new(dense(2, Dtype::Bf16), bias(2)),
            Linear::new(quantized(3, "q4_k"), None),
        ]
    }

    /// The deltas of a layer: rows and what is multiplied.
    fn deltas(rows: usize, outputs: usize) -> Vec<(Range<usize>, Matrix, Matrix)> {
        let of = |(seed, rows): (u64, Range<usize>)| {
            let low = normal(rows.len(), RANK, 20 + seed);
            (rows, low, normal(outputs, RANK, 30 + seed))
        };
        (0..).zip([0..rows.div_ceil(2), rows / 3..rows, 0..rows]).map(of).collect()
    }

    fn product_and_bias(linear: &Linear, x: &Matrix) -> Matrix {
        let Sum { weight, bias, .. } = linear.sum(Vec::new(), None);
        let mut y = weight.product(&Operand::of(x)).unwrap();
        bias.into_iter().for_each(|bias| y.add_row(bias).unwrap());
        y
    }

    /// One operation after another.
    fn one_by_one(linear: &Linear, x: &Matrix, onto: &Matrix) -> Matrix {
        let mut y = product_and_bias(linear, x);
        for (rows, low, b) in deltas(x.rows(), linear.shape().0) {
            y.add_to_rows(rows, &Matrix::product(Form::NT, &low, &b).unwrap(), SCALING).unwrap();
        }
        y.add(onto).unwrap();
        y
    }

    #[test]
    fn layers_in_one_loop_give_what_they_give_one_by_one() {
        if Kernel::detect().is_none() {
            println!("SKIPPED: nothing is made panel by panel on this CPU");
            return;
        }
        let layers = layers();
        for rows in [1, 2, 6, 7, 13, 300] {
            let x = normal(rows, INPUTS, 5);
            let ontos = OUTPUTS.map(|outputs| normal(rows, outputs, 7));
            let factors: Vec<Vec<_>> = OUTPUTS
                .iter()
                .map(|outputs| {
                    let all = deltas(rows, *outputs).into_iter();
                    all.map(|(rows, low, b)| (rows, low, Dense::f32(&b).unwrap())).collect()
                })
                .collect();
            let sums: Vec<Sum<'_>> = layers
                .iter()
                .zip(&factors)
                .zip(&ontos)
                .map(|((linear, factors), onto)| {
                    let factors = factors.iter();
                    let deltas = factors.map(|(rows, low, b)| Up { rows: rows.clone(), low, b, scaling: SCALING });
                    linear.sum(deltas.collect(), Some(onto))
                })
                .collect();
            let found = Sum::outputs(&sums, &Operand::of(&x)).unwrap().unwrap();
            for ((found, linear), onto) in found.iter().zip(&layers).zip(&ontos) {
                assert_close(found, &one_by_one(linear, &x, onto), 2e-6);
                assert_eq!(found.shape(), (rows, linear.shape().0));
            }
            // Of nothing on top, to the last bit.
            let alone: Vec<Sum<'_>> = layers.iter().map(|linear| linear.sum(Vec::new(), None)).collect();
            for (found, linear) in Sum::outputs(&alone, &Operand::of(&x)).unwrap().unwrap().iter().zip(&layers) {
                assert_eq!(flat(found), flat(&product_and_bias(linear, &x)));
            }
        }
    }

    #[test]
    fn two_outputs_joined_are_what_is_made_of_them_apart() {
        if Kernel::detect().is_none() {
            println!("SKIPPED: nothing is made panel by panel on this CPU");
            return;
        }
        let device = Device::host();
        let linear = |name: Option<&str>, outputs: usize, seed: u64| {
            let values = normal(outputs, INPUTS, seed).values().unwrap();
            let weight: Arc<dyn FrozenMatrix> = match name {
                Some(name) => (WeightType::named(name).unwrap().quantize)([outputs, INPUTS], &values, false).unwrap(),
                None => {
                    let kind = DenseType::on(&device, Dtype::Bf16, false);
                    Arc::new(Dense::new([outputs, INPUTS], values, kind, false, &device).unwrap())
                }
            };
            Linear::new(weight, (seed == 2).then(|| normal(1, outputs, 9)))
        };
        let join = |one: &mut [[f32; _]], other: &[[f32; _]]| {
            one.as_flattened_mut().iter_mut().zip(other.as_flattened()).for_each(|(one, other)| *one -= 2.0 * other);
        };
        for (name, outputs) in [(Some("q8_0"), 70), (Some("q4_k"), 128), (None, 96), (None, 33)] {
            let pair = [linear(name, outputs, 1), linear(name, outputs, 2)];
            for rows in [1, 2, 7, 13, 300] {
                let x = Operand::owned(normal(rows, INPUTS, 5));
                let (low, b) = (normal(rows.div_ceil(2), RANK, 20), Dense::f32(&normal(outputs, RANK, 30)).unwrap());
                let sums = [0, 1].map(|at: usize| {
                    let delta = |low| Up { rows: rows / 2..rows, low, b: &b, scaling: SCALING };
                    pair[at].sum((at == 0).then_some(&low).map(delta).into_iter().collect(), None)
                });
                let found = Sum::joined(&sums, &x, &join).unwrap().unwrap();
                let apart: Vec<_> = Sum::outputs(&sums, &x).unwrap().unwrap().iter().map(flat).collect();
                let expected = apart[0].iter().zip(&apart[1]).map(|(one, other)| one - 2.0 * other);
                assert_eq!((found.shape(), flat(&found)), ((rows, outputs), expected.collect()), "{name:?} {rows}");
            }
            assert!(
                Sum::joined(&[pair[0].sum(Vec::new(), None)], &Operand::of(&normal(1, INPUTS, 1)), &join)
                    .unwrap()
                    .is_none()
            );
            let narrow = linear(name, 32, 3);
            let uneven = [pair[0].sum(Vec::new(), None), narrow.sum(Vec::new(), None)];
            assert!(Sum::joined(&uneven, &Operand::of(&normal(1, INPUTS, 1)), &join).unwrap().is_none());
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let [layer, ..] = layers();
        let (x, low, b) = (normal(2, INPUTS, 1), normal(2, RANK, 2), normal(70, RANK, 3));
        let b = Dense::f32(&b).unwrap();
        let outputs = |rows: Range<usize>, onto: &Matrix| {
            let deltas = vec![Up { rows, low: &low, b: &b, scaling: 1.0 }];
            Sum::outputs(&[layer.sum(deltas, Some(onto))], &Operand::of(&x))
        };
        let onto = normal(2, 70, 4);
        assert!(outputs(0..2, &onto).is_ok());
        for (rows, onto) in [(1..3, &onto), (0..1, &onto), (0..2, &normal(2, 69, 4)), (0..2, &normal(1, 70, 4))] {
            assert_eq!(outputs(rows, onto).unwrap_err().code(), Code::Internal);
        }
    }
}
