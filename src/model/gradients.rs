//! Loss and gradients of one packed batch: the decoder forward, the head over trained tokens only, and backward.

use super::batch::PackedBatch;
use super::decoder::{Decoder, Forward};
use super::layer::Keep;
use super::sites::{LoraGradients, LoraStack};
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::ops::cross_entropy::loss_sum;
use crate::ops::lora::Dropout;
use crate::tensor::Matrix;

impl Decoder {
    /// Σ loss over the trained tokens of the batch, nats.
    pub(crate) fn loss(&self, batch: &PackedBatch, lora: &LoraStack) -> Result<f64> {
        self.check(batch)?;
        self.run(|| {
            let hidden = self.forward(&batch.batch, None, &[lora], None, |_| Keep::Nothing)?.hidden;
            loss_sum(&self.head, &hidden, &batch.targets, None)?.losses.total()
        })
    }

    /// Σ loss, and the gradients of that sum times `factor`.
    ///
    /// Only so many of the last layers keep what their backward passes need. Any other keeps its input and is run again for
    /// its own: a quarter more time, if that is all of them, for a small part of the memory (Chen et al. 2016). Those that
    /// are kept are the last, as they are gone when one is run again, which has their place.
    pub(crate) fn loss_and_gradients(
        &self,
        batch: &PackedBatch,
        lora: &LoraStack,
        factor: f64,
        dropout: Option<Dropout>,
        kept_layers: usize,
    ) -> Result<(f64, LoraGradients)> {
        self.check(batch)?;
        let first_kept = self.layers.len().saturating_sub(kept_layers);
        let keep = |layer| if layer < first_kept { Keep::Input } else { Keep::All };
        self.run(|| {
            let stacks = [lora];
            let forward = self.forward(&batch.batch, None, &stacks, dropout, keep)?;
            let loss = loss_sum(&self.head, &forward.hidden, &batch.targets, Some(factor))?;
            let dhidden = loss.dhidden.ok_or_else(|| Error::new(Code::Training, "the batch trains no token"))?;
            let gradients = self.backward(forward, dhidden)?;
            Ok((loss.losses.total()?, gradients))
        })
    }

    /// The gradients of the deltas, given that of the hidden states of a pass that kept what this needs.
    pub(super) fn backward(&self, forward: Forward<'_>, dhidden: Matrix) -> Result<LoraGradients> {
        let Forward { pass, hidden, residual, mut saved } = forward;
        if !pass.has_one_stack() || saved.len() != self.layers.len() {
            return Err(Error::new(Code::Internal, "a backward pass over several stacks, or one that kept nothing"));
        }
        let mut dy = self.final_norm_backward(&residual, &dhidden)?;
        drop((hidden, residual, dhidden));
        let mut gradients = LoraGradients::default();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            // Below the lowest adapted layer nothing is trained.
            let Some(saved) = saved.pop().filter(|_| pass.trains_down_to(index)) else { break };
            match layer.backward(&pass, saved, dy, &mut gradients)? {
                Some(dx) => dy = dx,
                None => break,
            }
        }
        Ok(gradients)
    }

    fn check(&self, batch: &PackedBatch) -> Result<()> {
        if batch.targets.is_empty() {
            return Err(Error::new(Code::Training, "the batch trains no token"));
        }
        if let Some(id) = batch.targets.iter().find(|&&id| id as usize >= self.config.vocab_size) {
            return Err(Error::new(Code::InvalidArgument, format!("target id {id} is outside the vocabulary")));
        }
        memory::probe(self.unfailing_bytes(batch.num_tokens(), batch.batch.longest(), batch.num_trained()))
    }
}
