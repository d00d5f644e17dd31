//! One run: steps, validations between them, and what is kept of it when it ends before its time.

use super::calibration;
use super::done::{Done, StopReason};
use super::early_stopping::{EarlyStopping, Snapshot};
use super::failure::caught;
use super::job::Job;
use super::schedule::LrSchedule;
use crate::adapter::Adapter;
use crate::conclusions::Labelled;
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::evaluate::loss_of;
use crate::model::LoraStack;
use crate::train::batches::{MicroBatches, Part, Plan, PlannedRun};
use crate::train::optimizer::Optimizer;
use crate::train::record::RunDir;
use std::time::Instant;

pub(crate) struct Run<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) part: Part,
    pub(crate) plan: Plan,
    pub(crate) train_rows: Vec<usize>,
    pub(crate) validation_rows: Vec<usize>,
    /// The adapter as it began: names, shapes and scalings of what is trained.
    pub(crate) initial: Adapter,
    pub(crate) optimizer: Optimizer,
    pub(crate) schedule: LrSchedule,
    pub(crate) stopping: EarlyStopping,
    pub(crate) files: Option<RunDir>,
    steps_per_epoch: u64,
    /// Steps of the runs before this one, and of those after it at most.
    others: (u64, u64),
    pub(crate) done: Done,
    /// What ended the run, if that was an error.
    pub(crate) failure: Option<Error>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(job: Job<'a>, planned: PlannedRun, files: Option<RunDir>) -> Result<Self> {
        let options = job.options;
        let PlannedRun { part, train_rows, validation_rows, plan } = planned;
        let initial = Adapter::new_for_training(&options.lora_config(), job.model.adapter_base()?, options.seed)?;
        Ok(Run {
            optimizer: Optimizer::new(options, &initial)?,
            schedule: LrSchedule::new(options, plan.total_steps),
            stopping: EarlyStopping::new(options.early_stopping_patience),
            steps_per_epoch: MicroBatches::new(&train_rows, options).steps_per_epoch(),
            others: (0, 0),
            done: Done::default(),
            failure: None,
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
    pub(crate) fn between(&mut self, steps_before: u64, steps_after: u64) {
        self.others = (steps_before, steps_after);
    }

    /// Goes on from this run's checkpoint, if the options say so and there is one.
    pub(crate) fn resume_if_asked(&mut self) -> Result<()> {
        if self.job.options.resume_from_checkpoint { self.resume() } else { Ok(()) }
    }

    /// Runs to the end, to early stopping, to the host's wish or to an error; only the latter two leave steps undone.
    pub(crate) fn execute(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        match self.steps(monitor) {
            Err(err) if self.has_something_to_give(&err) => {
                let reason = self.give_up(err);
                // After an error the optimizer may be between two steps.
                if reason == StopReason::Cancelled {
                    self.write_last_checkpoint();
                }
                Ok(reason)
            }
            // A fold that has ended is not run again on resuming.
            Ok(reason) if matches!(self.part, Part::Fold(_)) => {
                self.write_last_checkpoint();
                Ok(reason)
            }
            other => other,
        }
    }

    /// Whether there are weights that are worth more than the error.
    fn has_something_to_give(&self, err: &Error) -> bool {
        match (err.code(), self.stopping.state().1) {
            _ if self.done.steps == 0 => false,
            (Code::Cancelled, _) => true,
            (_, Some(best)) => best.validation_loss.is_some_and(f64::is_finite),
            // These weights are what the loss is not finite with.
            (Code::Training, None) => false,
            (_, None) => self.optimizer.tensors().all(|(_, matrix)| matrix.is_finite().unwrap_or(false)),
        }
    }

    /// Ends the run with an error, which is kept unless it is only the host's wish.
    pub(crate) fn give_up(&mut self, err: Error) -> StopReason {
        if err.code() == Code::Cancelled {
            return StopReason::Cancelled;
        }
        tracing::error!(%err, step = self.done.steps, "the training ends early with the best adapter so far");
        self.failure = Some(err);
        StopReason::Failed
    }

    fn write_last_checkpoint(&mut self) {
        if self.job.options.checkpoint_steps > 0 {
            self.write_checkpoint();
        }
    }

    fn steps(&mut self, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        monitor.check()?;
        if !self.validation_rows.is_empty() && self.done.base_validation_loss.is_none() {
            let loss = self.validation_loss(&LoraStack::none(), monitor)?;
            self.done.base_validation_loss = Some(loss);
            self.log("validation", 0, &[("loss", loss)]);
        }
        // A run that goes on may have been stopped between a step and its validation, or after its last step.
        if self.validate_if_due(monitor)? || (self.stopping.is_over() && self.done.steps < self.plan.until) {
            return Ok(StopReason::EarlyStopping);
        }
        while self.done.steps < self.plan.until {
            let epoch = self.done.steps / self.steps_per_epoch;
            let epoch = MicroBatches::new(&self.train_rows, self.job.options).epoch(epoch);
            let first = (self.done.steps % self.steps_per_epoch) as usize;
            for rows in epoch.steps().skip(first) {
                if self.done.steps == self.plan.until {
                    break;
                }
                self.step(rows, monitor)?;
                if self.validate_if_due(monitor)? {
                    return Ok(StopReason::EarlyStopping);
                }
                let every = self.job.options.checkpoint_steps;
                if every > 0 && self.done.steps.is_multiple_of(every) {
                    self.write_checkpoint();
                }
                monitor.check()?;
            }
        }
        Ok(StopReason::Completed)
    }

    /// Before the first step there is nothing to lose: a panic goes on to whoever called.
    pub(crate) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let work = |run: &mut Self| {
            #[cfg(test)]
            super::strike::strike()?;
            work(run)
        };
        if self.done.steps == 0 { work(self) } else { caught(|| work(self)) }
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
        let validation_loss = self.guarded(|run| run.validation_loss(&run.optimizer.stack(), monitor))?;
        self.done.last_validation_loss = Some(validation_loss);
        self.done.validations.push((step, validation_loss.to_bits()));
        self.log("validation", step, &[("loss", validation_loss)]);
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

    pub(crate) fn event(&self, phase: Phase) -> Progress {
        let (before, after) = self.others;
        let (step, total) = (before + self.done.steps, before + self.plan.until + after);
        let mut event = Progress::new(phase, step, total, self.job.started.elapsed());
        event.epoch = Some(self.epochs());
        event.validation_loss = self.done.last_validation_loss;
        event
    }

    /// The training's event, whose time to the end is longer by that of the rows left, at the pace of those `done`.
    fn calibrating(&self, begun: Instant, done: usize, asked: usize) -> Progress {
        let mut event = self.event(Phase::Calibrate);
        let rows_left = (done > 0).then(|| begun.elapsed().mul_f64((asked - done) as f64 / done as f64));
        event.eta = event.eta.zip(rows_left).map(|(steps_left, rows_left)| steps_left + rows_left);
        event
    }

    /// Passes over the training rows so far.
    pub(crate) fn epochs(&self) -> f64 {
        self.done.steps as f64 / self.steps_per_epoch as f64
    }

    /// Figures of a fold are kept apart from those of the run that gives the adapter.
    pub(crate) fn log(&mut self, group: &str, step: u64, figures: &[(&str, f64)]) {
        let Some(files) = self.files.as_mut() else { return };
        match self.part {
            Part::Fold(index) => files.log(&format!("fold-{}/{group}", index + 1), step, figures),
            Part::Whole | Part::Refit => files.log(group, step, figures),
        }
    }

    /// Labels what the adapter of `best` says of at most so many rows, which it has not seen.
    pub(crate) fn label(
        &self,
        best: &Snapshot,
        rows: (&[usize], usize),
        monitor: &mut Monitor<'_>,
    ) -> Result<Vec<Labelled>> {
        let adapter = self.initial.with_weights(best.weights.clone())?;
        let begun = Instant::now();
        let progress = |monitor: &mut Monitor<'_>, done, asked| monitor.report(&self.calibrating(begun, done, asked));
        calibration::label(&self.job, &adapter, rows, &progress, monitor)
    }

    /// The best weights, or the last ones if there was no validation.
    pub(crate) fn take_best(&mut self) -> Snapshot {
        let stopping = std::mem::replace(&mut self.stopping, EarlyStopping::new(0));
        let last = || Snapshot { step: self.done.steps, validation_loss: None, weights: self.optimizer.weights() };
        stopping.into_best().unwrap_or_else(last)
    }
}
