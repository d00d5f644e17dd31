//! The training loop: rows in, the best adapter out.

use super::data::{epoch_order, pack, split};
use super::early_stopping::{EarlyStopping, Snapshot};
use super::evaluation::loss_of;
use super::folds;
use super::memory::MemoryEstimate;
use super::optimizer::Optimizer;
use super::options::TrainOptions;
use super::outcome;
use super::plan::{Job, Part, Plan};
use super::run_dir::RunDir;
use super::schedule::LrSchedule;
use super::workload::Workload;
use crate::adapter::Adapter;
use crate::control::{Monitor, Phase, Progress};
use crate::dataset::Dataset;
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::memory::{self, Resident};
use crate::model::{LoraGradients, LoraStack};
use crate::ops::lora::Dropout;
use crate::options::Options;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Steps in a row whose loss or gradient is not finite, after which a run is given up.
const MAX_BAD_STEPS: u32 = 3;

/// What training gives back.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The best adapter: that of the lowest validation loss, or the last one without validation rows.
    pub adapter: Adapter,
    /// How it went: steps, losses, speed, why it ended, where it was saved; `evaluation` against the base model and
    /// `memorisation`, with `folds` where there were any.
    pub summary: Value,
}

/// Trains an adapter for `model` on `dataset`.
///
/// On the CPU the result is a function of the options, the rows and the number of threads: the same seed gives the same
/// bits. When the host cancels after the first step, the best adapter so far is returned and the summary's
/// `stop_reason` is `cancelled`.
///
/// # Errors
/// `InvalidOptions`, `CsvFormat` (rows that do not fit), `OutOfMemory` (`max_memory` cannot be kept to), `Training` (nothing to train, or a loss that stays not
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
    if examples.rows.is_empty() {
        return Err(Error::new(Code::Training, "the dataset has no row to train on"));
    }
    let workload = Workload::of(&examples.rows, options);
    let memory = MemoryEstimate::of(model, &workload, options)?;
    let checkpointing = memory.checkpointing(options)?;
    let _buffers = model.decoder().hold_buffers();
    let job = Job { model, dataset, options, examples: &examples, memory, checkpointing, started: Instant::now() };
    let files = options.output_dir.as_deref().map(|dir| RunDir::create(dir, options)).transpose()?;
    let folds = folds::count(examples.rows.len(), options);
    if folds > 0 {
        return folds::train(&job, files, folds, monitor);
    }
    let (train_rows, validation_rows) = split(examples.rows.len(), options.validation_share, options.seed);
    let plan = Plan::new(options, train_rows.len(), 0);
    let mut run = Run::new(job, Part::Whole, train_rows, validation_rows, plan, files)?;
    run.resume_if_asked()?;
    let stop_reason = run.execute(monitor)?;
    outcome::of_run(run, stop_reason, monitor)
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    Completed,
    EarlyStopping,
    Cancelled,
}

impl StopReason {
    pub(super) fn name(self) -> &'static str {
        match self {
            StopReason::Completed => "completed",
            StopReason::EarlyStopping => "early_stopping",
            StopReason::Cancelled => "cancelled",
        }
    }
}

pub(super) struct Run<'a> {
    pub(super) job: Job<'a>,
    pub(super) part: Part,
    pub(super) plan: Plan,
    pub(super) train_rows: Vec<usize>,
    pub(super) validation_rows: Vec<usize>,
    /// The adapter as it began: names, shapes and scalings of what is trained.
    pub(super) initial: Adapter,
    pub(super) optimizer: Optimizer,
    schedule: LrSchedule,
    pub(super) stopping: EarlyStopping,
    pub(super) files: Option<RunDir>,
    steps_per_epoch: u64,
    /// Steps of the runs before this one, and of those after it at most.
    others: (u64, u64),
    pub(super) done: Done,
}

/// What has happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) steps: u64,
    pub(super) skipped_steps: u64,
    bad_in_a_row: u32,
    pub(super) tokens: u64,
    pub(super) trained_tokens: u64,
    pub(super) training: Duration,
    pub(super) last_loss: Option<f64>,
    pub(super) base_validation_loss: Option<f64>,
    last_validation_loss: Option<f64>,
    /// Steps and their losses as the bits of an f64: decimal text need not come back as the same number.
    validations: Vec<(u64, u64)>,
}

impl Done {
    /// Steps and the validation losses after them.
    pub(super) fn validation_losses(&self) -> impl Iterator<Item = (u64, f64)> {
        self.validations.iter().map(|&(step, loss)| (step, f64::from_bits(loss)))
    }

    /// Counts the work of another run as this one's; steps are not added up.
    pub(super) fn add_work_of(&mut self, other: &Done) {
        self.skipped_steps += other.skipped_steps;
        self.tokens += other.tokens;
        self.trained_tokens += other.trained_tokens;
        self.training += other.training;
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        job: Job<'a>,
        part: Part,
        train_rows: Vec<usize>,
        validation_rows: Vec<usize>,
        plan: Plan,
        files: Option<RunDir>,
    ) -> Result<Self> {
        let options = job.options;
        let initial = Adapter::new_for_training(&options.lora_config(), job.model.adapter_base()?, options.seed)?;
        let rows_per_step = options.batch_size * options.gradient_accumulation_steps;
        Ok(Run {
            optimizer: Optimizer::new(options, &initial)?,
            schedule: LrSchedule::new(options, plan.total_steps),
            stopping: EarlyStopping::new(options.early_stopping_patience),
            steps_per_epoch: train_rows.len().div_ceil(rows_per_step).max(1) as u64,
            others: (0, 0),
            done: Done::default(),
            job,
            part,
            plan,
            train_rows,
            validation_rows,
            initial,
            files,
        })
    }

    /// Places this run between others of the same training, so that progress is that of all.
    pub(super) fn between(&mut self, steps_before: u64, steps_after: u64) {
        self.others = (steps_before, steps_after);
    }

    /// Goes on from this run's checkpoint, if the options say so and there is one.
    pub(super) fn resume_if_asked(&mut self) -> Result<()> {
        if self.job.options.resume_from_checkpoint { self.resume() } else { Ok(()) }
    }

    /// Runs to the end, to early stopping, or to the host's wish; only the latter two leave steps undone.
    pub(super) fn execute(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        match self.steps(monitor) {
            Err(err) if err.code() == Code::Cancelled && self.done.steps > 0 => {
                self.write_last_checkpoint()?;
                Ok(StopReason::Cancelled)
            }
            // A fold that has ended is not run again on resuming.
            Ok(reason) if matches!(self.part, Part::Fold(_)) => self.write_last_checkpoint().map(|()| reason),
            other => other,
        }
    }

    fn write_last_checkpoint(&self) -> Result<()> {
        if self.job.options.checkpoint_steps > 0 { self.write_checkpoint() } else { Ok(()) }
    }

    fn steps(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        monitor.check()?;
        if !self.validation_rows.is_empty() && self.done.base_validation_loss.is_none() {
            let loss = self.validation_loss(&LoraStack::none(), monitor)?;
            self.done.base_validation_loss = Some(loss);
            self.log("validation", 0, &[("loss", loss)])?;
        }
        let rows_per_step = self.job.options.batch_size * self.job.options.gradient_accumulation_steps;
        // A run that goes on may have been stopped between a step and its validation, or after its last step.
        if self.validate_if_due(monitor)? || (self.stopping.is_over() && self.done.steps < self.plan.until) {
            return Ok(StopReason::EarlyStopping);
        }
        while self.done.steps < self.plan.until {
            let epoch = self.done.steps / self.steps_per_epoch;
            let order = epoch_order(&self.train_rows, self.job.options.seed, epoch);
            let first = (self.done.steps % self.steps_per_epoch) as usize;
            for rows in order.chunks(rows_per_step).skip(first) {
                if self.done.steps == self.plan.until {
                    break;
                }
                self.step(rows, monitor)?;
                if self.validate_if_due(monitor)? {
                    return Ok(StopReason::EarlyStopping);
                }
                let every = self.job.options.checkpoint_steps;
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
            .chunks(self.job.options.batch_size)
            .map(|rows| pack(rows.iter().map(|&row| &self.job.examples.rows[row])))
            .collect();
        let trained: usize = batches.iter().map(|batch| batch.num_trained()).sum();
        let lora = self.optimizer.stack();
        let mut gradients = LoraGradients::default();
        let mut loss = 0.0;
        for (index, batch) in batches.iter().enumerate() {
            monitor.check()?;
            let dropout = self.dropout(index);
            let (decoder, factor) = (self.job.model.decoder(), 1.0 / trained as f64);
            let (sum, micro) = decoder.loss_and_gradients(batch, &lora, factor, dropout, self.job.checkpointing)?;
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

    fn report_step(&mut self, loss: f64, norm: f64, learning_rate: f64, monitor: &mut Monitor<'_>) -> Result<()> {
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

    /// Validates after the steps for which that is planned, once; `true` when early stopping ends the run.
    fn validate_if_due(&mut self, monitor: &mut Monitor<'_>) -> Result<bool> {
        let step = self.done.steps;
        let last = step == self.plan.until;
        let due = step > 0 && (last || step.is_multiple_of(self.plan.eval_every));
        let done = self.done.validations.last().is_some_and(|validation| validation.0 == step);
        if !due || done || self.validation_rows.is_empty() {
            return Ok(false);
        }
        Ok(self.validate(monitor)? && !last)
    }

    fn validate(&mut self, monitor: &mut Monitor<'_>) -> Result<bool> {
        let step = self.done.steps;
        let validation_loss = self.validation_loss(&self.optimizer.stack(), monitor)?;
        self.done.last_validation_loss = Some(validation_loss);
        self.done.validations.push((step, validation_loss.to_bits()));
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
        let Job { model, examples, .. } = self.job;
        let loss = loss_of(model.decoder(), lora, examples, &self.validation_rows, &mut |_| monitor.check())?;
        Ok(loss.mean())
    }

    pub(super) fn event(&self, phase: Phase) -> Progress {
        let (before, after) = self.others;
        let (step, total) = (before + self.done.steps, before + self.plan.until + after);
        let mut event = Progress::new(phase, step, total, self.job.started.elapsed());
        event.epoch = Some(self.epochs());
        event.validation_loss = self.done.last_validation_loss;
        event
    }

    /// Passes over the training rows so far.
    pub(super) fn epochs(&self) -> f64 {
        self.done.steps as f64 / self.steps_per_epoch as f64
    }

    /// Figures of a fold are kept apart from those of the run that gives the adapter.
    pub(super) fn log(&mut self, group: &str, step: u64, figures: &[(&str, f64)]) -> Result<()> {
        let Some(files) = self.files.as_mut() else { return Ok(()) };
        match self.part {
            Part::Fold(index) => files.log(&format!("fold-{}/{group}", index + 1), step, figures),
            Part::Whole | Part::Refit => files.log(group, step, figures),
        }
    }

    /// The best weights, or the last ones if there was no validation.
    pub(super) fn take_best(&mut self) -> Snapshot {
        let stopping = std::mem::replace(&mut self.stopping, EarlyStopping::new(0));
        let last = || Snapshot { step: self.done.steps, validation_loss: None, weights: self.optimizer.weights() };
        stopping.into_best().unwrap_or_else(last)
    }
}
