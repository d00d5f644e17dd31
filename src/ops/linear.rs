//! A frozen linear layer: forward, and backward to its input only. The weight has no gradient, so none is computed.

use super::matmul::{self, Form};
use crate::error::Result;
use candle_core::Tensor;

/// `y = x Wᵀ + b` with a weight that training never changes.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[out_features, in_features]`; f32 on the CPU, possibly bf16 or f16 elsewhere.
    weight: Tensor,
    /// `[out_features]`, f32.
    bias: Option<Tensor>,
}

impl Linear {
    /// `weight [out, in]`, `bias [out]`.
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Linear { weight, bias }
    }

    /// `(out_features, in_features)`
    pub(crate) fn shape(&self) -> Result<(usize, usize)> {
        Ok(self.weight.dims2()?)
    }

    /// A dense f32 copy of the weight, `[out, in]`.
    #[cfg(test)]
    pub(crate) fn dense_weight(&self) -> Result<Tensor> {
        Ok(self.weight.to_dtype(candle_core::DType::F32)?)
    }

    /// `x [tokens, in]` → `[tokens, out]`, f32.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(Form::NT, x)?;
        match &self.bias {
            None => Ok(y),
            Some(bias) => Ok(y.broadcast_add(bias)?),
        }
    }

    /// `dy [tokens, out]` → `dx [tokens, in]`.
    pub(crate) fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        self.product(Form::NN, dy)
    }

    /// A half-precision weight (on a GPU) meets operands of its own type; activations stay f32.
    fn product(&self, form: Form, x: &Tensor) -> Result<Tensor> {
        let dtype = self.weight.dtype();
        if dtype == x.dtype() {
            return matmul::product(form, x, &self.weight);
        }
        Ok(matmul::product(form, &x.to_dtype(dtype)?, &self.weight)?.to_dtype(x.dtype())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};
    use candle_core::DType;

    #[test]
    fn the_kernel_equals_candle_and_the_gradient_finite_differences() {
        let (x, w, b, dy) = (normal((5, 17), 1), normal((11, 17), 2), normal(11, 3), normal((5, 11), 4));
        let linear = Linear::new(w.clone(), Some(b.clone()));
        let y = x.matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
        assert_close(&linear.forward(&x).unwrap(), &y, 1e-6);
        check_gradient(&x, &linear.backward(&dy).unwrap(), &dy, |x| linear.forward(x).unwrap());
    }

    #[test]
    fn a_half_precision_weight_gives_f32_activations() {
        let (x, w) = (normal((5, 17), 1), normal((11, 17), 2));
        let exact = Linear::new(w.clone(), None).forward(&x).unwrap();
        let half = Linear::new(w.to_dtype(DType::F16).unwrap(), None).forward(&x).unwrap();
        assert_eq!(half.dtype(), DType::F32);
        assert_close(&half, &exact, 5e-3);
    }
}
