//! A frozen linear layer: forward, and backward to its input only. The weight has no gradient, so none is computed.

use super::k_quant::{KType, KWeight};
use super::matmul::{self, Form};
use super::quantized::Q8Weight;
use super::widened;
use crate::error::Result;
use candle_core::{DType, Tensor};
use std::sync::Arc;

/// A weight that training never changes, `[out_features, in_features]`.
#[derive(Debug, Clone)]
pub(crate) enum Weight {
    /// f32 on the CPU, possibly bf16 or f16 elsewhere.
    Dense(Tensor),
    /// 8 bits, on the CPU.
    Q8(Arc<Q8Weight>),
    /// 4 or 6 bits, on the CPU.
    K(Arc<KWeight>),
}

impl Weight {
    /// Rows by index, f32: the lookup of an embedding. The caller checks the ids.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        match self {
            Weight::Dense(weight) => {
                let ids = Tensor::new(ids, weight.device())?;
                Ok(weight.index_select(&ids, 0)?.to_dtype(DType::F32)?)
            }
            Weight::Q8(weight) => weight.rows(ids),
            Weight::K(weight) => weight.rows(ids),
        }
    }

    /// The name of the type it is kept in.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Weight::Dense(weight) => weight.dtype().as_str(),
            Weight::Q8(_) => "q8_0",
            Weight::K(weight) => match weight.kind() {
                KType::Q4K => "q4_k",
                KType::Q6K => "q6_k",
            },
        }
    }

    /// Bytes held; for `training`, with what the backward pass adds.
    pub(crate) fn bytes(&self, training: bool) -> u64 {
        match self {
            Weight::Dense(weight) => (weight.elem_count() * weight.dtype().size_in_bytes()) as u64,
            Weight::Q8(weight) => weight.bytes(training),
            Weight::K(weight) => weight.bytes(),
        }
    }

    /// Whether products of many rows are those of integers.
    fn has_integer_products(&self) -> bool {
        matches!(self, Weight::Q8(weight) if weight.has_integer_products())
    }

    /// Bytes of the rows that a product widens at the same time.
    fn widened_bytes(&self) -> u64 {
        match self {
            Weight::Dense(_) => 0,
            Weight::Q8(_) if self.has_integer_products() => 0,
            Weight::Q8(weight) => widened::group_bytes(weight.shape()),
            Weight::K(weight) => widened::group_bytes(weight.shape()),
        }
    }

    /// A half-precision weight (on a GPU) meets operands of its own type; activations stay f32.
    fn product(&self, form: Form, x: &Tensor) -> Result<Tensor> {
        match self {
            Weight::Dense(weight) if weight.dtype() == x.dtype() => matmul::product(form, x, weight),
            Weight::Dense(weight) => {
                Ok(matmul::product(form, &x.to_dtype(weight.dtype())?, weight)?.to_dtype(x.dtype())?)
            }
            Weight::Q8(weight) if form == Form::NT => weight.forward(x),
            Weight::Q8(weight) => weight.backward(x),
            Weight::K(weight) if form == Form::NT => weight.forward(x),
            Weight::K(weight) => weight.backward(x),
        }
    }
}

/// `y = x Wᵀ + b`
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weight: Weight,
    /// `[out_features]`, f32.
    bias: Option<Tensor>,
}

impl Linear {
    /// `weight [out, in]`, `bias [out]`.
    pub(crate) fn new(weight: Weight, bias: Option<Tensor>) -> Self {
        Linear { weight, bias }
    }

    /// A dense layer.
    #[cfg(test)]
    pub(crate) fn dense(weight: Tensor, bias: Option<Tensor>) -> Self {
        Linear::new(Weight::Dense(weight), bias)
    }

    /// `(out_features, in_features)`
    pub(crate) fn shape(&self) -> Result<(usize, usize)> {
        match &self.weight {
            Weight::Dense(weight) => Ok(weight.dims2()?),
            Weight::Q8(weight) => Ok(weight.shape()),
            Weight::K(weight) => Ok(weight.shape()),
        }
    }

    /// Bytes of the weight; for `training`, with what its backward pass adds.
    pub(crate) fn bytes(&self, training: bool) -> u64 {
        self.weight.bytes(training)
    }

    /// Bytes of the rows of the weight that a product widens at the same time.
    pub(crate) fn widened_bytes(&self) -> u64 {
        self.weight.widened_bytes()
    }

    /// Bytes of the copy that a product makes of an operand of so many elements: quantized weights are met by quantized ones.
    pub(crate) fn operand_bytes(&self, elements: u64) -> u64 {
        if self.has_integer_products() { elements * 9 / 8 } else { 0 }
    }

    /// Whether its products, forward and backward, are those of integers.
    pub(crate) fn has_integer_products(&self) -> bool {
        self.weight.has_integer_products()
    }

    /// A dense f32 copy of the weight, `[out, in]`.
    #[cfg(test)]
    pub(crate) fn dense_weight(&self) -> Result<Tensor> {
        let rows = self.shape()?.0 as u32;
        self.weight.rows(&(0..rows).collect::<Vec<_>>())
    }

    /// `x [tokens, in]` → `[tokens, out]`, f32.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weight.product(Form::NT, x)?;
        match &self.bias {
            None => Ok(y),
            Some(bias) => matmul::add_to_rows(y, bias),
        }
    }

    /// `dy [tokens, out]` → `dx [tokens, in]`.
    pub(crate) fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        self.weight.product(Form::NN, dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    #[test]
    fn the_kernel_equals_candle_and_the_gradient_finite_differences() {
        let (x, w, b, dy) = (normal((5, 17), 1), normal((11, 17), 2), normal(11, 3), normal((5, 11), 4));
        let linear = Linear::dense(w.clone(), Some(b.clone()));
        let y = x.matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
        assert_close(&linear.forward(&x).unwrap(), &y, 1e-6);
        check_gradient(&x, &linear.backward(&dy).unwrap(), &dy, |x| linear.forward(x).unwrap());
    }

    #[test]
    fn a_half_precision_weight_gives_f32_activations() {
        let (x, w) = (normal((5, 17), 1), normal((11, 17), 2));
        let exact = Linear::dense(w.clone(), None).forward(&x).unwrap();
        let half = Linear::dense(w.to_dtype(DType::F16).unwrap(), None).forward(&x).unwrap();
        assert_eq!(half.dtype(), DType::F32);
        assert_close(&half, &exact, 5e-3);
    }
}
