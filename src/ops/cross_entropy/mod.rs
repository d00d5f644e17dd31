//! Cross-entropy over the vocabulary without ever holding all logits: the output head, the loss and their backward run
//! on a chunk of tokens at a time.

mod cpu;
mod cuda;

use super::{reference, softcap};
use crate::error::Result;
use crate::gpu::Array;
use crate::tensor::Matrix;
use crate::weights::{Linear, Operand};

/// Bytes of logits that exist at the same time.
///
/// A frozen head is read once per chunk and direction, so a chunk has the rows that make its products worth that.
const CHUNK_BYTES: usize = 128 << 20;
/// The same on a card, whose products of few rows are no faster than those of many.
const CHUNK_BYTES_ON_CARD: usize = 400 << 20;
/// Rows of the tiles in which a card multiplies.
const ROWS_ON_CARD: usize = 128;
/// A chunk is a whole number of what the products' kernels take at a time.
const ROWS: usize = 6;

/// The output head: `softcap(scale · x Wᵀ)`.
pub(crate) struct Head {
    pub(crate) linear: Linear,
    pub(crate) scale: f64,
    /// c, where logits become c·tanh(logit/c).
    pub(crate) softcap: Option<f32>,
}

impl Head {
    /// `hidden [rows, hidden]` → logits `[rows, vocab]`.
    pub(crate) fn logits(&self, hidden: &Matrix) -> Result<Matrix> {
        let logits = self.scaled(hidden)?;
        match self.softcap {
            None => Ok(logits),
            Some(c) => softcap::forward(logits, c),
        }
    }

    /// The same before the cap.
    fn scaled(&self, hidden: &Matrix) -> Result<Matrix> {
        let mut logits = self.linear.forward(&Operand::of(hidden))?;
        logits.scale(self.scale)?;
        Ok(logits)
    }

    /// The gradient of the hidden states, given that of the logits before the cap.
    fn backward(&self, mut dlogits: Matrix) -> Result<Matrix> {
        dlogits.scale(self.scale)?;
        self.linear.backward(&dlogits)
    }
}

#[cfg(test)]
impl From<Linear> for Head {
    fn from(linear: Linear) -> Self {
        Head { linear, scale: 1.0, softcap: None }
    }
}

/// The sum of the tokens' losses, and optionally its gradient.
pub(crate) struct LossSum {
    /// Σ −ln p(target), nats.
    pub(crate) losses: Losses,
    /// `[tokens, hidden]`, of the sum times the factor given.
    pub(crate) dhidden: Option<Matrix>,
}

/// `hidden [tokens, hidden]` of the trained tokens only, `targets` one id each (in range: the caller checks).
///
/// `gradient_factor` scales the gradient (1 / tokens for a mean); `None` computes the loss alone.
pub(crate) fn loss_sum(head: &Head, hidden: &Matrix, targets: &[u32], gradient_factor: Option<f64>) -> Result<LossSum> {
    let chunk = chunk_rows(targets.len(), head.linear.shape().0, hidden.on_gpu());
    in_chunks(chunk, head, hidden, targets, gradient_factor)
}

fn in_chunks(
    chunk: usize,
    head: &Head,
    hidden: &Matrix,
    targets: &[u32],
    gradient_factor: Option<f64>,
) -> Result<LossSum> {
    let mut losses = Losses::default();
    let mut gradients = Vec::new();
    for start in (0..targets.len()).step_by(chunk) {
        let targets = &targets[start..targets.len().min(start + chunk)];
        let rows = hidden.part(start..start + targets.len())?;
        // On a card logits that give a gradient have the type of activations, as transformers' have; a loss alone is exact.
        let rounded = if gradient_factor.is_some() { rows.to_activation()? } else { None };
        let logits = head.scaled(rounded.as_ref().unwrap_or(&rows))?;
        let dlogits = softmax_loss(logits, head.softcap, targets, gradient_factor, &mut losses)?;
        if gradient_factor.is_some() {
            gradients.push(head.backward(dlogits)?);
        }
    }
    let dhidden = match gradients.len() {
        0 => None,
        1 => gradients.pop(),
        _ => Some(Matrix::join_rows(&gradients.iter().collect::<Vec<_>>(), &hidden.device())?),
    };
    Ok(LossSum { losses, dhidden })
}

/// The losses of chunks. A card's are waited for when they are asked for: behind the work that can do without.
#[derive(Default)]
pub(crate) struct Losses {
    sum: f64,
    /// By token.
    on_card: Vec<Array>,
}

impl Losses {
    /// Their sum. Waits.
    pub(crate) fn total(self) -> Result<f64> {
        let of_chunk = |losses: Array| Ok(losses.download_f32()?.into_iter().map(f64::from).sum::<f64>());
        Ok(self.sum + self.on_card.into_iter().map(of_chunk).sum::<Result<f64>>()?)
    }
}

/// Bytes of the logits that are held at a time for `trained` tokens.
pub(crate) fn logits_bytes(trained: usize, vocab: usize, on_card: bool) -> u64 {
    4 * (trained.min(chunk_rows(trained, vocab, on_card)) * vocab) as u64
}

/// Tokens whose logits exist at the same time: chunks are of one size, but for the last.
fn chunk_rows(tokens: usize, vocab: usize, on_card: bool) -> usize {
    let (bytes, rows) = if on_card { (CHUNK_BYTES_ON_CARD, ROWS_ON_CARD) } else { (CHUNK_BYTES, ROWS) };
    let most = match bytes / (4 * vocab) {
        most if on_card && most > rows => most / rows * rows,
        most => most.max(1),
    };
    let even = tokens.div_ceil(tokens.div_ceil(most).max(1)).max(1);
    even.next_multiple_of(rows).min(most)
}

/// Adds −Σ ln softmax(logits)\[target\] over the rows of `logits [tokens, vocab]`, soft-capped, to the losses, and gives their
/// gradient times `factor` (without one, anything), in the place of the logits.
fn softmax_loss(
    mut logits: Matrix,
    cap: Option<f32>,
    targets: &[u32],
    factor: Option<f64>,
    losses: &mut Losses,
) -> Result<Matrix> {
    if logits.on_host() {
        losses.sum += cpu::softmax_loss(&mut logits, cap, targets, factor.map(|f| f as f32))?;
        return Ok(logits);
    }
    if logits.on_gpu() {
        losses.on_card.push(cuda::softmax_loss(&mut logits, cap, targets, factor.map(|f| f as f32))?);
        return Ok(logits);
    }
    let (loss, dlogits) = reference::softmax_loss(&logits.tensor()?, cap, targets, factor)?;
    losses.sum += loss;
    Matrix::of_tensor(&dlogits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::{assert_close, check_gradient, devices, normal};

    #[test]
    fn chunks_give_the_loss_of_the_whole_and_its_gradient() {
        let (vocab, targets) = (101, [3u32, 70, 1, 100, 0, 55, 8]);
        for device in devices() {
            let head = Head::from(Linear::dense(normal(vocab, 4, 1).to(&device).unwrap(), None));
            let hidden = normal(targets.len(), 4, 2).to(&device).unwrap();
            let mut losses = Losses::default();
            let logits = head.logits(&hidden).unwrap();
            let dlogits = softmax_loss(logits, None, &targets, Some(1.0), &mut losses).unwrap();
            let loss = losses.total().unwrap();
            let dhidden = head.backward(dlogits).unwrap();
            for chunk in [1, 3, 7, 20] {
                let chunked = in_chunks(chunk, &head, &hidden, &targets, Some(1.0)).unwrap();
                let found = chunked.losses.total().unwrap();
                assert!((found - loss).abs() < 1e-5 * loss, "{found} {loss}");
                assert_close(&chunked.dhidden.unwrap(), &dhidden, 1e-5);
            }
        }
    }

    #[test]
    fn chunks_are_even_and_bounded() {
        let vocab = 151_936;
        for tokens in [0, 1, 5, 220, 221, 1020, 4096] {
            let rows = chunk_rows(tokens, vocab, false);
            assert!(rows >= 1 && 4 * rows * vocab <= CHUNK_BYTES, "{tokens} tokens: {rows}");
            assert!(tokens == 0 || rows * tokens.div_ceil(rows) < tokens + rows);
            assert_eq!(logits_bytes(tokens, vocab, false), (4 * rows.min(tokens) * vocab) as u64);
        }
        assert_eq!((chunk_rows(1020, vocab, false), chunk_rows(9, CHUNK_BYTES, false)), (204, 1));
        assert_eq!(chunk_rows(2048, vocab, true), 512);
    }

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (hidden, targets) = (normal(5, 8, 2), [3u32, 0, 18, 7, 7]);
        let number = |value: f64| Matrix::new(1, 1, vec![value as f32], &Device::host()).unwrap();
        for (scale, softcap) in [(1.0, None), (0.7, Some(3.0))] {
            let head = Head { linear: Linear::dense(normal(19, 8, 1), None), scale, softcap };
            let dhidden = loss_sum(&head, &hidden, &targets, Some(1.0)).unwrap().dhidden.unwrap();
            let loss = |h: &Matrix| number(loss_sum(&head, h, &targets, None).unwrap().losses.total().unwrap());
            check_gradient(&hidden, &dhidden, &number(1.0), loss);
        }
    }
}
