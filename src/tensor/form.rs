//! The forms of products that forward and backward passes need.

use super::gemm::Mat;
use crate::error::{Code, Error, Result};
use candle_core::Tensor;

/// Which operand of a product is taken transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `a · b`
    NN,
    /// `a · bᵀ`: activations times a weight stored `[out, in]`.
    NT,
    /// `aᵀ · b`: the gradient of a weight.
    TN,
}

impl Form {
    pub(super) fn shape(self, a: (usize, usize), b: (usize, usize)) -> Result<(usize, usize)> {
        let (rows, inner_a, inner_b, cols) = match self {
            Form::NN => (a.0, a.1, b.0, b.1),
            Form::NT => (a.0, a.1, b.1, b.0),
            Form::TN => (a.1, a.0, b.0, b.1),
        };
        if inner_a != inner_b {
            return Err(Error::new(Code::Internal, format!("product {self:?} of {a:?} and {b:?}: shapes do not fit")));
        }
        Ok((rows, cols))
    }

    pub(super) fn operands<'a>(
        self,
        a: &'a [f32],
        ad: (usize, usize),
        b: &'a [f32],
        bd: (usize, usize),
    ) -> (Mat<'a>, Mat<'a>) {
        let (a, b) = (Mat::new(a, ad.0, ad.1), Mat::new(b, bd.0, bd.1));
        match self {
            Form::NN => (a, b),
            Form::NT => (a, b.t()),
            Form::TN => (a.t(), b),
        }
    }

    /// The product by candle.
    pub(crate) fn composed(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Form::NN => a.matmul(b)?,
            Form::NT => a.matmul(&b.t()?)?,
            Form::TN => a.t()?.matmul(b)?,
        })
    }
}
