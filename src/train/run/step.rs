//! One optimizer step: micro-batches forward and backward, the update, the figures.

use super::done::MAX_BAD_STEPS;
use super::training_loop::Run;
use crate::control::{Monitor, Phase};
use crate::error::{Code, Error, Result};
use crate::evaluate::pack;
use crate::memory::{self, Resident};
use crate::model::{LoraGradients, PackedBatch};
use crate::ops::lora::Dropout;
use std::slice::Chunks;
use std::time::Instant;

impl Run<'_> {
    /// One optimizer step over micro-batches of rows.
    pub(crate) fn step(&mut self, rows: Chunks<'_, usize>, monitor: &mut Monitor<'_>) -> Result<()> {
        let began = Instant::now();
        let batches: Vec<_> = rows.map(|batch| pack(batch.iter().map(|&row| &self.job.examples.rows[row]))).collect();
        let trained: usize = batches.iter().map(|batch| batch.num_trained()).sum();
        let (loss, gradients) = self.guarded(|run| run.gradients(&batches, trained, monitor))?;
        let norm = gradients.norm()?;
        let learning_rate = self.schedule.at(self.done.steps);
        if loss.is_finite() && norm.is_finite() {
            self.guarded(|run| run.optimizer.step(&gradients, norm, learning_rate))?;
            self.done.bad_in_a_row = 0;
            self.done.last_loss = Some(loss);
        } else {
            self.skip(loss, norm)?;
        }
        self.done.steps += 1;
        self.done.tokens += batches.iter().map(|batch| batch.num_tokens() as u64).sum::<u64>();
        self.done.trained_tokens += trained as u64;
        self.done.training += began.elapsed();
        self.report_step(loss, norm, learning_rate, monitor);
        Ok(())
    }

    /// The mean loss per trained token of the micro-batches, and its gradients.
    fn gradients(
        &mut self,
        batches: &[PackedBatch],
        trained: usize,
        monitor: &Monitor<'_>,
    ) -> Result<(f64, LoraGradients)> {
        let lora = self.optimizer.stack_for_step()?;
        let mut gradients = LoraGradients::default();
        let mut loss = 0.0;
        for (index, batch) in batches.iter().enumerate() {
            monitor.check()?;
            let dropout = self.dropout(index);
            let (decoder, factor) = (self.job.model.decoder(), 1.0 / trained as f64);
            let (sum, micro) =
                decoder.loss_and_gradients(batch, &lora, factor, dropout, self.job.memory.kept_layers)?;
            loss += sum / trained as f64;
            gradients.accumulate(micro)?;
        }
        Ok((loss, gradients))
    }

    /// A step whose numbers ran away changes nothing; several in a row end the run.
    fn skip(&mut self, loss: f64, norm: f64) -> Result<()> {
        self.done.skipped_steps += 1;
        self.done.bad_in_a_row += 1;
        tracing::warn!(step = self.done.steps, loss, norm, "step skipped: not finite");
        if self.done.bad_in_a_row < MAX_BAD_STEPS {
            return Ok(());
        }
        Err(Error::new(
            Code::Training,
            format!(
                "the loss ({loss}) or gradient norm ({norm}) was not finite in {MAX_BAD_STEPS} steps in a row, the last \
                 being step {}; lower learning_rate (now {})",
                self.done.steps, self.job.options.learning_rate
            ),
        )
        .with("step", self.done.steps))
    }

    fn dropout(&self, micro_batch: usize) -> Option<Dropout> {
        let p = self.job.options.lora_dropout;
        let step = self.done.steps * self.job.options.gradient_accumulation_steps as u64 + micro_batch as u64;
        let seed = self.job.options.seed ^ step.wrapping_add(1).wrapping_mul(0xA076_1D64_78BD_642F);
        (p > 0.0).then_some(Dropout { p, seed })
    }

    fn report_step(&mut self, loss: f64, norm: f64, learning_rate: f64, monitor: &mut Monitor<'_>) {
        let step = self.done.steps;
        let speed = self.done.tokens as f64 / self.done.training.as_secs_f64().max(1e-9);
        if step.is_multiple_of(self.job.options.logging_steps) {
            let epoch = self.epochs();
            let mut figures = vec![
                ("loss", loss),
                ("learning_rate", learning_rate),
                ("grad_norm", norm),
                ("tokens_per_second", speed),
                ("epoch", epoch),
            ];
            if let Some(Resident { now, peak }) = memory::resident() {
                figures.extend([("memory", now as f64), ("memory_peak", peak as f64)]);
            }
            self.log("train", step, &figures);
        }
        let mut event = self.event(Phase::Train);
        event.loss = Some(loss);
        event.gradient_norm = Some(norm);
        event.learning_rate = Some(learning_rate);
        event.tokens_per_second = Some(speed);
        monitor.report(&event);
    }
}
