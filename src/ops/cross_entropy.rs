//! Cross-entropy over the vocabulary without ever holding all logits: the output head, the loss and their backward run
//! on a chunk of tokens at a time.

use super::buffers::recycle;
use super::exp::{exp_sum, largest};
use super::host;
use super::linear::Linear;
use super::simd::vectorized;
use crate::error::Result;
use candle_core::{CpuStorage, D, InplaceOp1, Layout, Tensor};
use rayon::prelude::*;
use std::sync::Mutex;

/// Bytes of logits that exist at the same time.
///
/// A frozen head is read once per chunk and direction, so a chunk has the rows that make its products worth that.
const CHUNK_BYTES: usize = 128 << 20;
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
    let vocab = head.shape()?.0;
    in_chunks(chunk_rows(targets.len(), vocab), head, hidden, targets, gradient_factor)
}

fn in_chunks(
    chunk: usize,
    head: &Linear,
    hidden: &Tensor,
    targets: &[u32],
    gradient_factor: Option<f64>,
) -> Result<LossSum> {
    let mut loss = 0.0;
    let mut gradients = Vec::new();
    for start in (0..targets.len()).step_by(chunk) {
        let targets = &targets[start..targets.len().min(start + chunk)];
        let logits = head.forward(&hidden.narrow(0, start, targets.len())?)?;
        let (chunk_loss, dlogits) = softmax_loss(logits, targets, gradient_factor)?;
        loss += chunk_loss;
        if gradient_factor.is_some() {
            gradients.push(head.backward(&dlogits)?);
        }
        recycle([dlogits]);
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
    4 * (trained.min(chunk_rows(trained, vocab)) * vocab) as u64
}

/// Tokens whose logits exist at the same time: chunks are of one size, but for the last.
fn chunk_rows(tokens: usize, vocab: usize) -> usize {
    let most = (CHUNK_BYTES / (4 * vocab)).max(1);
    let even = tokens.div_ceil(tokens.div_ceil(most).max(1)).max(1);
    even.next_multiple_of(ROWS).min(most)
}

/// −Σ ln softmax(logits)\[target\] over the rows of `logits [tokens, vocab]`, and their gradient times `factor` (without
/// one, anything) in the memory of the logits.
fn softmax_loss(logits: Tensor, targets: &[u32], factor: Option<f64>) -> Result<(f64, Tensor)> {
    if host::applies(&logits) {
        let op = SoftmaxLoss { targets, factor: factor.map(|f| f as f32), loss: Mutex::new(0.0) };
        logits.inplace_op1(&op)?;
        let loss = *op.loss.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        return Ok((loss, logits));
    }
    composed(&logits, targets, factor)
}

fn composed(logits: &Tensor, targets: &[u32], factor: Option<f64>) -> Result<(f64, Tensor)> {
    let index = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_p = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let loss = -f64::from(log_p.gather(&index, 1)?.sum_all()?.to_scalar::<f32>()?);
    let Some(factor) = factor else { return Ok((loss, shifted)) };
    let minus_one = Tensor::full(-1f32, index.shape(), logits.device())?;
    let dlogits = (log_p.exp()?.scatter_add(&index, &minus_one, 1)? * factor)?;
    Ok((loss, dlogits))
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
                vectorized(
                    #[inline(always)]
                    || {
                        let max = largest(row);
                        let at_target = row[target as usize] - max;
                        let sum = exp_sum(row, max);
                        if let Some(factor) = self.factor {
                            let scale = factor / sum;
                            row.iter_mut().for_each(|p| *p *= scale);
                            row[target as usize] -= factor;
                        }
                        f64::from(sum).ln() - f64::from(at_target)
                    },
                )
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
        assert_close(&dlogits, &gradient, 2e-6);
    }

    #[test]
    fn chunks_give_the_loss_of_the_whole_and_its_gradient() {
        let (vocab, targets) = (101, [3u32, 70, 1, 100, 0, 55, 8]);
        let head = Linear::dense(normal((vocab, 4), 1), None);
        let hidden = normal((targets.len(), 4), 2);
        let whole = composed(&head.forward(&hidden).unwrap(), &targets, Some(1.0)).unwrap();
        for chunk in [1, 3, 7, 20] {
            let chunked = in_chunks(chunk, &head, &hidden, &targets, Some(1.0)).unwrap();
            assert!((chunked.loss - whole.0).abs() < 1e-5 * whole.0, "{} {}", chunked.loss, whole.0);
            assert_close(&chunked.dhidden.unwrap(), &head.backward(&whole.1).unwrap(), 1e-5);
        }
    }

    #[test]
    fn chunks_are_even_and_bounded() {
        let vocab = 151_936;
        for tokens in [0, 1, 5, 220, 221, 1020, 4096] {
            let rows = chunk_rows(tokens, vocab);
            assert!(rows >= 1 && 4 * rows * vocab <= CHUNK_BYTES, "{tokens} tokens: {rows}");
            assert!(tokens == 0 || rows * tokens.div_ceil(rows) < tokens + rows);
            assert_eq!(logits_bytes(tokens, vocab), (4 * rows.min(tokens) * vocab) as u64);
        }
        assert_eq!((chunk_rows(1020, vocab), chunk_rows(9, CHUNK_BYTES)), (204, 1));
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
