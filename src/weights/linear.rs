//! A frozen linear layer: forward, and backward to its input only.

use super::gpu::{self, GpuWeight, Term};
use super::sums::{Sum, Up};
use super::{FrozenMatrix, Operand, Purpose};
use crate::error::Result;
use crate::tensor::Matrix;
use std::sync::Arc;

/// `y = x Wᵀ + b`
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Arc<dyn FrozenMatrix>,
    /// `[1, out_features]`
    bias: Option<Matrix>,
}

impl Linear {
    /// `weight [out, in]`, `bias [1, out]`.
    pub(crate) fn new(weight: Arc<dyn FrozenMatrix>, bias: Option<Matrix>) -> Self {
        Linear { weight, bias }
    }

    /// A dense layer.
    #[cfg(test)]
    pub(crate) fn dense(weight: Matrix, bias: Option<Matrix>) -> Self {
        let (rows, cols) = weight.shape();
        let device = weight.device();
        let kind = super::DenseType::on(&device, super::Dtype::F32, false);
        let weight = super::Dense::new([rows, cols], weight.values().unwrap(), kind, true, &device).unwrap();
        Linear::new(Arc::new(weight), bias)
    }

    /// `(out_features, in_features)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        self.weight.shape()
    }

    /// Bytes of the weight.
    pub(crate) fn bytes(&self, purpose: Purpose) -> u64 {
        self.weight.bytes(purpose)
    }

    /// Bytes of the rows of the weight that a product dequantizes at the same time.
    pub(crate) fn workspace_bytes(&self) -> u64 {
        self.weight.workspace_bytes()
    }

    /// Bytes of the copy that a backward product makes of an operand of so many elements, if it rounds it.
    pub(crate) fn operand_bytes(&self, elements: u64) -> u64 {
        self.weight.operand_bytes(elements)
    }

    /// Its output with more on top, yet to be made.
    pub(crate) fn sum<'a>(&'a self, deltas: Vec<Up<'a>>, onto: Option<&'a Matrix>) -> Sum<'a> {
        Sum { weight: &*self.weight, bias: self.bias.as_ref(), deltas, onto }
    }

    /// Whether [`Sum::outputs`] gives its outputs.
    pub(crate) fn has_panels(&self) -> bool {
        self.weight.has_panels()
    }

    /// Whether its products forward round their operands to bf16, or to integers.
    pub(crate) fn rounds_inputs(&self) -> bool {
        self.weight.rounds_inputs()
    }

    /// Whether its products, forward and backward, round their operands to bf16, or to integers.
    pub(crate) fn rounds_operands(&self) -> bool {
        self.weight.rounds_operands()
    }

    /// Whether its outputs of so many rows are best made of their form in 8 bits.
    pub(crate) fn takes_eight_bits(&self, rows: usize) -> bool {
        self.weight.takes_eight_bits(rows)
    }

    /// A dense copy of the weight, `[out, in]`.
    #[cfg(test)]
    pub(crate) fn dense_weight(&self) -> Result<Matrix> {
        self.weight.gather(&(0..self.shape().0 as u32).collect::<Vec<_>>())
    }

    /// `x [rows, in]` → `[rows, out]`
    pub(crate) fn forward(&self, x: &Operand<'_>) -> Result<Matrix> {
        let whole = Part { linear: self, delta: None, onto: None };
        if let Some(y) = Part::outputs(&[whole], None, x)?.and_then(|mut one| one.pop()) {
            return Ok(y);
        }
        if let Some(y) = Sum::outputs(&[self.sum(Vec::new(), None)], x)?.and_then(|mut one| one.pop()) {
            return Ok(y);
        }
        let mut y = self.weight.product(x)?;
        if let Some(bias) = &self.bias {
            y.add_row(bias)?;
        }
        Ok(y)
    }

    /// Adds the output to `y`, which has its shape.
    pub(crate) fn add_forward(&self, x: &Operand<'_>, y: &mut Matrix) -> Result<()> {
        self.weight.add_product(x, y)?;
        match &self.bias {
            None => Ok(()),
            Some(bias) => y.add_row(bias),
        }
    }

    /// Adds the gradient of the input to `dx`.
    pub(crate) fn add_backward(&self, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
        self.weight.add_transposed_product(dy, dx)
    }

    /// `dy [rows, out]` → `dx [rows, in]`
    pub(crate) fn backward(&self, dy: &Matrix) -> Result<Matrix> {
        self.weight.transposed_product(dy)
    }
}

/// One of several layers that share an input, and what goes on top of its output.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) linear: &'a Linear,
    /// The B of a low-rank delta, `[out, rank]`, and its scaling.
    pub(crate) delta: Option<(&'a Matrix, f64)>,
    /// The residual stream, `[rows, out]`.
    pub(crate) onto: Option<&'a Matrix>,
}

impl Part<'_> {
    /// Whether [`Part::outputs`] gives some for these layers.
    pub(crate) fn are_one<'a>(layers: impl IntoIterator<Item = &'a Linear>, x: &Operand<'_>) -> bool {
        weights(layers).is_some_and(|weights| gpu::fit(&weights, x))
    }

    /// The outputs of all parts where one launch makes them: of few rows on a card, or of some with
    /// K-quants. `low [rows, ranks of all deltas]` are the low-rank activations side by side.
    pub(crate) fn outputs(parts: &[Part<'_>], low: Option<&Matrix>, x: &Operand<'_>) -> Result<Option<Vec<Matrix>>> {
        let Some(weights) = weights(parts.iter().map(|part| part.linear)).filter(|weights| gpu::fit(weights, x)) else {
            return Ok(None);
        };
        let terms: Vec<Term<'_>> = parts
            .iter()
            .zip(weights)
            .map(|(part, weight)| Term { weight, bias: part.linear.bias.as_ref(), onto: part.onto, delta: part.delta })
            .collect();
        gpu::products_of_parts(&terms, low, x).map(Some)
    }
}

/// The weights of layers that are all on a card.
fn weights<'a>(layers: impl IntoIterator<Item = &'a Linear>) -> Option<Vec<&'a GpuWeight>> {
    layers.into_iter().map(|linear| linear.weight.on_card()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::testing::{assert_close, check_gradient, normal};
    use crate::tensor::{Device, Form};
    use crate::weights::{Dense, DenseType, Dtype};

    #[test]
    fn it_is_the_product_and_the_bias_and_the_gradient_equals_finite_differences() {
        for device in [Device::host(), Device::reference()] {
            let [x, w, b, dy] = [normal(5, 17, 1), normal(11, 17, 2), normal(1, 11, 3), normal(5, 11, 4)]
                .map(|matrix| matrix.to(&device).unwrap());
            let mut y = Matrix::product(Form::NT, &x, &w).unwrap();
            y.add_row(&b).unwrap();
            let linear = Linear::dense(w, Some(b));
            assert_close(&linear.forward(&Operand::of(&x)).unwrap(), &y, 1e-6);
            check_gradient(&x, &linear.backward(&dy).unwrap(), &dy, |x| linear.forward(&Operand::of(x)).unwrap());
        }
    }

    #[test]
    fn a_half_precision_weight_gives_f32_activations() {
        let device = Device::reference();
        let (x, w) = (normal(5, 17, 1).to(&device).unwrap(), normal(11, 17, 2));
        let exact = Matrix::product(Form::NT, &x, &w.to(&device).unwrap()).unwrap();
        let kind = DenseType::on(&device, Dtype::Bf16, false);
        let half = Dense::new([11, 17], w.values().unwrap(), kind, true, &device).unwrap();
        assert_eq!((half.type_name(), half.bytes(Purpose::Training)), ("bf16", 11 * 17 * 2));
        assert_close(&half.product(&Operand::of(&x)).unwrap(), &exact, 2e-2);
        assert_close(&half.gather(&[3]).unwrap(), &w.gather(&[3]).unwrap(), 4e-3);
    }
}
