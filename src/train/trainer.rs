//! The training loop: rows in, the best adapter out.

use super::data::{epoch_order, groups, pack, split};
use super::early_stopping::{EarlyStopping, Snapshot};
use super::optimizer::Optimizer;
use super::options::TrainOptions;
use super::run_dir::{Provenance, RunDir, named_version};
use super::schedule::LrSchedule;
use crate::adapter::Adapter;
use crate::control::{Monitor, Phase, Progress};
use crate::dataset::{Dataset, Examples};
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::model::{LoraGradients, LoraStack};
use crate::ops::lora::Dropout;
use crate::options::Options;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Tokens of one validation batch: enough to keep all cores busy, little enough to hold.
const VALIDATION_TOKENS: usize = 2048;
/// Steps in a row whose loss or gradient is not finite, after which a run is given up.
const MAX_BAD_STEPS: u32 = 3;

/// What training gives back.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The best adapter: that of the lowest validation loss, or the last one without validation rows.
    pub adapter: Adapter,
    /// How it went: steps, losses, speed, why it ended, where it was saved.
    pub summary: Value,
}

/// Trains an adapter for `model` on `dataset`.
///
/// On the CPU the result is a function of the options, the rows and the number of threads: the same seed gives the same
/// bits. When the host cancels after the first step, the best adapter so far is returned and the summary's
/// `stop_reason` is `cancelled`.
///
/// # Errors
/// `InvalidOptions`, `CsvFormat` (rows that do not fit), `Training` (nothing to train, or a loss that stays not
/// finite), `Io` (run directory), `Cancelled` before the first step is done.
pub fn train(
    model: &LanguageModel,
    dataset: &Dataset,
    options: &TrainOptions,
    monitor: &mut Monitor<'_>,
) -> Result<TrainOutcome> {
    options.validate()?;
    let max_length = options.max_length.min(model.decoder().config().max_position_embeddings);
    let examples = dataset.examples(model.format(), max_length, monitor)?;
    let mut run = Run::new(model, dataset, &examples, options)?;
    if options.resume_from_checkpoint {
        run.resume()?;
    }
    let stop_reason = run.execute(monitor)?;
    run.finish(stop_reason, monitor)
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    Completed,
    EarlyStopping,
    Cancelled,
}

impl StopReason {
    fn name(self) -> &'static str {
        match self {
            StopReason::Completed => "completed",
            StopReason::EarlyStopping => "early_stopping",
            StopReason::Cancelled => "cancelled",
        }
    }
}

pub(super) struct Run<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) dataset: &'a Dataset,
    pub(super) options: &'a TrainOptions,
    pub(super) examples: &'a Examples,
    train_rows: Vec<usize>,
    validation_rows: Vec<usize>,
    /// The adapter as it began: names, shapes and scalings of what is trained.
    pub(super) initial: Adapter,
    pub(super) optimizer: Optimizer,
    schedule: LrSchedule,
    pub(super) stopping: EarlyStopping,
    files: Option<RunDir>,
    steps_per_epoch: u64,
    total_steps: u64,
    started: Instant,
    pub(super) done: Done,
}

/// What has happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Done {
    steps: u64,
    skipped_steps: u64,
    bad_in_a_row: u32,
    tokens: u64,
    trained_tokens: u64,
    training: Duration,
    last_loss: Option<f64>,
    base_validation_loss: Option<f64>,
    last_validation_loss: Option<f64>,
}

impl<'a> Run<'a> {
    fn new(
        model: &'a LanguageModel,
        dataset: &'a Dataset,
        examples: &'a Examples,
        options: &'a TrainOptions,
    ) -> Result<Self> {
        let (train_rows, validation_rows) = split(examples.rows.len(), options.validation_share, options.seed);
        if train_rows.is_empty() {
            return Err(Error::new(Code::Training, "the dataset has no row to train on"));
        }
        let initial = Adapter::new_for_training(&options.lora_config(), model.adapter_base(), options.seed)?;
        let rows_per_step = options.batch_size * options.gradient_accumulation_steps;
        let steps_per_epoch = train_rows.len().div_ceil(rows_per_step) as u64;
        let total_steps = match options.max_steps {
            0 => ((options.num_train_epochs * steps_per_epoch as f64).ceil() as u64).max(options.min_steps).max(1),
            exactly => exactly,
        };
        Ok(Run {
            optimizer: Optimizer::new(options, &initial)?,
            schedule: LrSchedule::new(options, total_steps),
            stopping: EarlyStopping::new(options.early_stopping_patience),
            files: options.output_dir.as_deref().map(|dir| RunDir::create(dir, options)).transpose()?,
            started: Instant::now(),
            done: Done::default(),
            model,
            dataset,
            options,
            examples,
            train_rows,
            validation_rows,
            initial,
            steps_per_epoch,
            total_steps,
        })
    }

    /// Runs to the end, to early stopping, or to the host's wish; only the latter two leave steps undone.
    fn execute(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        match self.steps(monitor) {
            Err(err) if err.code() == Code::Cancelled && self.done.steps > 0 => {
                if self.options.checkpoint_steps > 0 {
                    self.write_checkpoint()?;
                }
                Ok(StopReason::Cancelled)
            }
            other => other,
        }
    }

    fn steps(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        monitor.check()?;
        if !self.validation_rows.is_empty() && self.done.base_validation_loss.is_none() {
            let loss = self.validation_loss(&LoraStack::none(), monitor)?;
            self.done.base_validation_loss = Some(loss);
            self.log("validation", 0, &[("loss", loss)])?;
        }
        let rows_per_step = self.options.batch_size * self.options.gradient_accumulation_steps;
        let every = if self.options.eval_steps == 0 { self.steps_per_epoch } else { self.options.eval_steps };
        while self.done.steps < self.total_steps {
            let epoch = self.done.steps / self.steps_per_epoch;
            let order = epoch_order(&self.train_rows, self.options.seed, epoch);
            let first = (self.done.steps % self.steps_per_epoch) as usize;
            for rows in order.chunks(rows_per_step).skip(first) {
                if self.done.steps == self.total_steps {
                    break;
                }
                self.step(rows, monitor)?;
                let last = self.done.steps == self.total_steps;
                let due = last || self.done.steps.is_multiple_of(every);
                if due && self.validate(monitor)? && !last {
                    return Ok(StopReason::EarlyStopping);
                }
                let every = self.options.checkpoint_steps;
                if every > 0 && self.done.steps.is_multiple_of(every) {
                    self.write_checkpoint()?;
                }
                monitor.check()?;
            }
        }
        Ok(StopReason::Completed)
    }

    /// One optimizer step over `rows`, in micro-batches of `batch_size`.
    fn step(&mut self, rows: &[usize], monitor: &mut Monitor<'_>) -> Result<()> {
        let began = Instant::now();
        let batches: Vec<_> = rows
            .chunks(self.options.batch_size)
            .map(|rows| pack(rows.iter().map(|&row| &self.examples.rows[row])))
            .collect();
        let trained: usize = batches.iter().map(|batch| batch.num_trained()).sum();
        let lora = self.optimizer.stack();
        let mut gradients = LoraGradients::default();
        let mut loss = 0.0;
        for (index, batch) in batches.iter().enumerate() {
            monitor.check()?;
            let dropout = self.dropout(index);
            let (sum, micro) =
                self.model.decoder().loss_and_gradients(batch, &lora, 1.0 / trained as f64, dropout, false)?;
            loss += sum / trained as f64;
            gradients.accumulate(micro)?;
        }
        let norm = gradients.norm()?;
        let learning_rate = self.schedule.at(self.done.steps);
        if loss.is_finite() && norm.is_finite() {
            self.optimizer.step(&gradients, norm, learning_rate)?;
            self.done.bad_in_a_row = 0;
            self.done.last_loss = Some(loss);
        } else {
            self.skip(loss, norm)?;
        }
        self.done.steps += 1;
        self.done.tokens += batches.iter().map(|batch| batch.num_tokens() as u64).sum::<u64>();
        self.done.trained_tokens += trained as u64;
        self.done.training += began.elapsed();
        self.report_step(loss, norm, learning_rate, monitor)
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
                self.done.steps, self.options.learning_rate
            ),
        )
        .with("step", self.done.steps))
    }

    fn dropout(&self, micro_batch: usize) -> Option<Dropout> {
        let p = self.options.lora_dropout;
        let step = self.done.steps * self.options.gradient_accumulation_steps as u64 + micro_batch as u64;
        let seed = self.options.seed ^ step.wrapping_add(1).wrapping_mul(0xA076_1D64_78BD_642F);
        (p > 0.0).then_some(Dropout { p, seed })
    }

    fn report_step(&mut self, loss: f64, norm: f64, learning_rate: f64, monitor: &mut Monitor<'_>) -> Result<()> {
        let step = self.done.steps;
        let speed = self.done.tokens as f64 / self.done.training.as_secs_f64().max(1e-9);
        if step.is_multiple_of(self.options.logging_steps) {
            let epoch = step as f64 / self.steps_per_epoch as f64;
            let figures = [
                ("loss", loss),
                ("learning_rate", learning_rate),
                ("grad_norm", norm),
                ("tokens_per_second", speed),
                ("epoch", epoch),
            ];
            self.log("train", step, &figures)?;
        }
        let mut event = self.event(Phase::Train);
        event.loss = Some(loss);
        event.gradient_norm = Some(norm);
        event.learning_rate = Some(learning_rate);
        event.tokens_per_second = Some(speed);
        monitor.report(&event);
        Ok(())
    }

    /// Validates if there are rows for it; `true` when early stopping says so.
    fn validate(&mut self, monitor: &mut Monitor<'_>) -> Result<bool> {
        let step = self.done.steps;
        let validation_loss = match self.validation_rows.is_empty() {
            true => return Ok(false),
            false => self.validation_loss(&self.optimizer.stack(), monitor)?,
        };
        self.done.last_validation_loss = Some(validation_loss);
        self.log("validation", step, &[("loss", validation_loss)])?;
        let weights = self.optimizer.weights();
        let end = self.stopping.observe(Snapshot { step, validation_loss: Some(validation_loss), weights });
        let mut event = self.event(Phase::Validate);
        event.validation_loss = Some(validation_loss);
        monitor.report(&event);
        Ok(end)
    }

    /// Mean loss per trained token over the validation rows.
    fn validation_loss(&self, lora: &LoraStack, monitor: &mut Monitor<'_>) -> Result<f64> {
        let rows = &self.examples.rows;
        let (mut loss, mut trained) = (0.0, 0);
        for group in groups(&self.validation_rows, rows, usize::MAX, VALIDATION_TOKENS) {
            monitor.check()?;
            let batch = pack(group.iter().map(|&row| &rows[row]));
            loss += self.model.decoder().loss(&batch, lora)?;
            trained += batch.num_trained();
        }
        Ok(loss / trained as f64)
    }

    fn event(&self, phase: Phase) -> Progress {
        let mut event = Progress::new(phase, self.done.steps, self.total_steps, self.started.elapsed());
        event.epoch = Some(self.done.steps as f64 / self.steps_per_epoch as f64);
        event.validation_loss = self.done.last_validation_loss;
        event
    }

    fn log(&mut self, group: &str, step: u64, figures: &[(&str, f64)]) -> Result<()> {
        self.files.as_mut().map_or(Ok(()), |files| files.log(group, step, figures))
    }

    /// The best weights as a named version, saved if there is a run directory.
    fn finish(mut self, reason: StopReason, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
        let best_validation_loss = self.stopping.best_loss();
        let last = Snapshot { step: self.done.steps, validation_loss: None, weights: self.optimizer.weights() };
        let stopping = std::mem::replace(&mut self.stopping, EarlyStopping::new(0));
        let best = stopping.into_best().unwrap_or(last);
        let adapter = self.initial.with_weights(best.weights.clone())?;
        let mut summary = self.summary(reason, best.step, best_validation_loss);
        let provenance = Provenance {
            rows: self.dataset.rows().len(),
            csv_sha256: Some(self.dataset.sha256().to_owned()),
            metrics: summary.as_object().cloned().unwrap_or_default(),
        };
        let (path, adapter): (Option<PathBuf>, Adapter) = match &self.files {
            None => (None, named_version(&self.options.name, &adapter, &provenance)),
            Some(files) => {
                monitor.report(&self.event(Phase::Save));
                let (path, adapter) = files.save_adapter(&self.options.name, &adapter, &provenance)?;
                (Some(path), adapter)
            }
        };
        summary["name"] = json!(adapter.name());
        summary["version"] = json!(adapter.version());
        summary["adapter_path"] = json!(path.map(|path| path.display().to_string()));
        Ok(TrainOutcome { adapter, summary })
    }

    fn summary(&self, reason: StopReason, best_step: u64, best_validation_loss: Option<f64>) -> Value {
        let done = &self.done;
        let seconds = self.started.elapsed().as_secs_f64();
        json!({
            "stop_reason": reason.name(),
            "rows": self.examples.rows.len(),
            "skipped_rows": self.examples.skipped.len(),
            "dataset_tokens": self.examples.tokens().0,
            "dataset_trained_tokens": self.examples.tokens().1,
            "longest_row": self.examples.longest(),
            "train_rows": self.train_rows.len(),
            "validation_rows": self.validation_rows.len(),
            "steps": done.steps,
            "total_steps": self.total_steps,
            "skipped_steps": done.skipped_steps,
            "epochs": done.steps as f64 / self.steps_per_epoch as f64,
            "best_step": best_step,
            "loss": done.last_loss,
            "base_validation_loss": done.base_validation_loss,
            "validation_loss": best_validation_loss,
            "tokens": done.tokens,
            "trained_tokens": done.trained_tokens,
            "tokens_per_second": done.tokens as f64 / done.training.as_secs_f64().max(1e-9),
            "seconds": seconds,
            "parameters": self.initial.num_parameters(),
            "seed": self.options.seed,
        })
    }
}
