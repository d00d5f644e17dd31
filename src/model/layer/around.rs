//! What stands around a block: the norm of what goes in, the norm of what it adds to the residual stream, and the factor of
//! that. A family has some of them.

use crate::error::{Code, Error, Result};
use crate::ops::lora::{self, Layer, Projected};
use crate::ops::rms_norm;
use crate::tensor::Matrix;
use crate::weights::Operand;

/// The norms of a block and its factor.
pub(in crate::model) struct Around {
    pub(in crate::model) eps: f64,
    /// Of the input.
    pub(in crate::model) before: Option<Matrix>,
    /// Of the output.
    pub(in crate::model) after: Option<Matrix>,
    /// What the output is multiplied with.
    pub(in crate::model) multiplier: f64,
}

impl Around {
    /// The norm of the input, or the input as an activation; `None` where the block takes it as it is.
    pub(super) fn normed(&self, input: &Matrix) -> Result<Option<Matrix>> {
        match &self.before {
            Some(norm) => rms_norm::forward(input, norm, self.eps).map(Some),
            None => input.to_activation(),
        }
    }

    /// The same as the input of products, which take it in 8 bits or not.
    pub(super) fn operand<'a>(&self, input: &'a Matrix, eight_bits: bool) -> Result<Operand<'a>> {
        match &self.before {
            Some(norm) => rms_norm::operand(input, norm, self.eps, eight_bits),
            None => Ok(input.to_activation()?.map_or_else(|| Operand::of(input), Operand::owned)),
        }
    }

    /// The gradient of the input, given that of its norm and that of the residual stream behind the block.
    pub(super) fn input_gradient(&self, input: &Matrix, dnormed: &Matrix, mut dy: Matrix) -> Result<Matrix> {
        match &self.before {
            None => dy.add(dnormed)?,
            Some(norm) => rms_norm::add_backward(input, norm, self.eps, dnormed, &mut dy)?,
        }
        Ok(dy)
    }

    /// The residual stream with the output of a block's last layer on it, the layer's low-rank activations, and of the output
    /// what backward needs.
    pub(super) fn add_output(
        &self,
        layer: Layer<'_>,
        x: &Operand<'_>,
        residual: &Matrix,
    ) -> Result<(Matrix, Projected, Option<Matrix>)> {
        if self.after.is_none() && self.multiplier == 1.0 {
            let (sum, projected) = lora::output_onto(layer, residual, x)?;
            return Ok((sum, projected, None));
        }
        let (output, projected) = lora::output(layer, x)?;
        let (sum, unnormed) = self.add(output, residual)?;
        Ok((sum, projected, unnormed))
    }

    /// The residual stream with the block's output on it, and of the output what backward needs.
    pub(super) fn add(&self, output: Matrix, residual: &Matrix) -> Result<(Matrix, Option<Matrix>)> {
        let (mut sum, unnormed) = match &self.after {
            None => (output, None),
            Some(norm) => (rms_norm::forward(&output, norm, self.eps)?, Some(output)),
        };
        sum.scale(self.multiplier)?;
        sum.add(residual)?;
        Ok((sum, unnormed))
    }

    /// The gradient of the output, given that of the residual stream; `None` where they are the same.
    pub(super) fn output_gradient(&self, unnormed: Option<Matrix>, dy: &Matrix) -> Result<Option<Matrix>> {
        let mut dsum = match self.multiplier == 1.0 {
            true => None,
            false => {
                let mut scaled = dy.duplicate()?;
                scaled.scale(self.multiplier)?;
                Some(scaled)
            }
        };
        if let Some(norm) = &self.after {
            let unnormed = unnormed.ok_or_else(|| Error::new(Code::Internal, "a norm's input was not saved"))?;
            dsum = Some(rms_norm::backward(&unnormed, norm, self.eps, dsum.as_ref().unwrap_or(dy))?);
        }
        // Behind it stand products of activations.
        match dsum {
            None => dy.to_activation(),
            Some(dsum) => Ok(Some(dsum.to_activation()?.unwrap_or(dsum))),
        }
    }

    /// Bytes of the output that wait for the backward pass.
    pub(super) fn saved_bytes(&self, size: u64, outputs: u64) -> u64 {
        self.after.as_ref().map_or(0, |norm| size * outputs * norm.cols() as u64)
    }
}
