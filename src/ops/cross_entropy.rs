//! Cross-entropy over the vocabulary without ever holding all logits: the output head, the loss and their backward run
//! on a chunk of tokens at a time.

use super::exp::{exp_sum, largest};
use super::host;
use super::linear::Linear;
use super::simd::vectorized;
use crate::error::Result;
use candle_core::{CpuStorage, D, InplaceOp1, Layout, Tensor};
use rayon::prelude::*;
use std::sync::Mutex;

/// Bytes of logits that exist at the same time.
const CHUNK_BYTES: usize = 32 << 20;
/// A chunk is a whole number of what the products' kernels take at a time.
const ROWS: usize = 6;

/// The sum of the tokens' losses, and optionally its gradient.
pub(crate) struct LossSum {
    /// Σ −ln p(target), nats.
    pub(crate) loss: f64,
    /// `[tokens, hidden]`, of the sum times the factor given.
    pub(crate) dhidden: Option<Tensor>,
}

/// `hidden [tokens, hidden]` of the trained tokens only, `targets` one id each (in range: the caller checks).
///
/// `gradient_factor` scales the gradient (1 / tokens for a mean); `None` computes the loss alone.
pub(crate) fn loss_sum(
    head: &Linear,
    hidden: &Tensor,
    targets: &[u32],
    gradient_factor: Option<f64>,
) -> Result<LossSum> {
    let (vocab, _) = head.shape()?;
    let chunk = chunk(vocab);
    let mut loss = 0.0;
    let mut gradients = Vec::new();
    for start in (0..targets.len()).step_by(chunk) {
        let targets = &targets[start..targets.len().min(start + chunk)];
        let logits = head.forward(&hidden.narrow(0, start, targets.len())?)?;
        let (chunk_loss, dlogits) = softmax_loss(logits, targets, gradient_factor)?;
        loss += chunk_loss;
        if let Some(dlogits) = dlogits {
            gradients.push(head.backward(&dlogits)?);
        }
    }
    let dhidden = match gradients.len() {
        0 => None,
        1 => gradients.pop(),
        _ => Some(Tensor::cat(&gradients, 0)?),
    };
    Ok(LossSum { loss, dhidden })
}

/// Bytes of the logits that are held at a time for `trained` tokens.
pub(crate) fn logits_bytes(trained: usize, vocab: usize) -> u64 {
    4 * (trained.min(chunk(vocab)) * vocab) as u64
}

/// Tokens whose logits exist at the same time.
fn chunk(vocab: usize) -> usize {
    let fitting = (CHUNK_BYTES / (4 * vocab)).max(1);
    if fitting > ROWS { fitting - fitting % ROWS } else { fitting }
}

/// ln softmax(logits)\[target\] of each row; `logits [tokens, vocab]`.
fn softmax_loss(logits: Tensor, targets: &[u32], factor: Option<f64>) -> Result<(f64, Option<Tensor>)> {
    if host::applies(&logits) {
        let op = SoftmaxLoss { targets, factor: factor.map(|f| f as f32), loss: Mutex::new(0.0) };
        logits.inplace_op1(&op)?;
        let loss = *op.loss.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        return Ok((loss, factor.map(|_| logits)));
    }
    composed(&logits, targets, factor)
}

fn composed(logits: &Tensor, targets: &[u32], factor: Option<f64>) -> Result<(f64, Option<Tensor>)> {
    let index = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_p = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let loss = -f64::from(log_p.gather(&index, 1)?.sum_all()?.to_scalar::<f32>()?);
    let Some(factor) = factor else { return Ok((loss, None)) };
    let minus_one = Tensor::full(-1f32, index.shape(), logits.device())?;
    let dlogits = (log_p.exp()?.scatter_add(&index, &minus_one, 1)? * factor)?;
    Ok((loss, Some(dlogits)))
}

/// Turns logits into `factor · (softmax − onehot)` in place and sums the losses, in row order so that bits repeat.
struct SoftmaxLoss<'a> {
    targets: &'a [u32],
    factor: Option<f32>,
    loss: Mutex<f64>,
}

impl InplaceOp1 for SoftmaxLoss<'_> {
    fn name(&self) -> &'static str {
        "softmax_loss"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            candle_core::bail!("softmax_loss needs contiguous f32");
        };
        let vocab = layout.shape().dims2()?.1;
        let losses: Vec<f64> = data[start..end]
            .par_chunks_exact_mut(vocab)
            .zip(self.targets)
            .map(|(row, &target)| {
                vectorized(|| {
                    let max = largest(row);
                    let at_target = row[target as usize] - max;
                    let sum = exp_sum(row, max);
                    if let Some(factor) = self.factor {
                        let scale = factor / sum;
                        row.iter_mut().for_each(|p| *p *= scale);
                        row[target as usize] -= factor;
                    }
                    f64::from(sum).ln() - f64::from(at_target)
                })
            })
            .collect();
        *self.loss.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = losses.iter().sum();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};
    use candle_core::Device;

    #[test]
    fn the_kernel_equals_the_composed_form() {
        let (logits, targets) = (normal((6, 37), 1), [0u32, 36, 5, 5, 17, 20]);
        let (expected, gradient) = composed(&logits, &targets, Some(0.25)).unwrap();
        let (loss, dlogits) = softmax_loss(logits.copy().unwrap(), &targets, Some(0.25)).unwrap();
        assert!((loss - expected).abs() < 1e-5 * expected, "{loss} {expected}");
        assert_close(&dlogits.unwrap(), &gradient.unwrap(), 2e-6);
    }

    #[test]
    fn chunks_give_the_loss_of_the_whole_and_its_gradient() {
        // A vocabulary so wide that four tokens are more than one chunk.
        let vocab = CHUNK_BYTES / 4 / 2;
        let head = Linear::dense((normal((vocab, 4), 1) * 0.3).unwrap(), None);
        let (hidden, targets) = (normal((4, 4), 2), [3u32, 70_000, 1, (vocab - 1) as u32]);
        let whole = composed(&head.forward(&hidden).unwrap(), &targets, Some(1.0)).unwrap();
        let chunked = loss_sum(&head, &hidden, &targets, Some(1.0)).unwrap();
        assert!((chunked.loss - whole.0).abs() < 1e-4 * whole.0, "{} {}", chunked.loss, whole.0);
        assert_close(&chunked.dhidden.unwrap(), &head.backward(&whole.1.unwrap()).unwrap(), 1e-4);
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (head, hidden, targets) = (Linear::dense(normal((19, 8), 1), None), normal((5, 8), 2), [3u32, 0, 18, 7, 7]);
        let dhidden = loss_sum(&head, &hidden, &targets, Some(1.0)).unwrap().dhidden.unwrap();
        let one = Tensor::ones(1, candle_core::DType::F32, &Device::Cpu).unwrap();
        check_gradient(&hidden, &dhidden, &one, |h| {
            let loss = loss_sum(&head, h, &targets, None).unwrap().loss;
            Tensor::new(&[loss as f32], &Device::Cpu).unwrap()
        });
    }
}
