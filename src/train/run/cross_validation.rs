//! k-fold validation for small sets: each row is held out once, the best step is that of the lowest mean loss, and the
//! adapter is trained on all rows up to it.
//!
//! A tenth of thirty rows is three rows: their loss says little, and for training they are lost. With folds every row
//! votes on when to stop and every row is learnt from, for k runs more. Each run has a checkpoint of its own; the runs that
//! a checkpoint says are over are not repeated on resuming.

use super::convergence::{is_falling, still_falling};
use super::done::{Done, StopReason};
use super::early_stopping::Snapshot;
use super::failure::caught;
use super::job::Job;
use super::outcome::{Ending, TrainOutcome};
use super::training_loop::Run;
use crate::conclusions::Labelled;
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use crate::evaluate::Evaluation;
use crate::train::batches::{Plan, PlannedRun};
use crate::train::record::RunDir;
use serde_json::{Value, json};

/// A fold that has ended.
struct Fold {
    train_rows: Vec<usize>,
    validation_rows: Vec<usize>,
    reason: StopReason,
    /// Answer tokens of its validation rows: its weight in the mean.
    tokens: f64,
    done: Done,
    best: (u64, Option<f64>),
}

struct CrossValidation {
    /// How many folds there will be.
    planned: usize,
    folds: Vec<Fold>,
    /// Steps and work of a first fold that was too short.
    discarded: Done,
    /// Conclusions on the rows that each fold held out, or why there are none.
    labelled: Result<Vec<Labelled>>,
    /// Index and weights of the fold with the lowest loss: what a run that is cancelled gives back.
    best: Option<(usize, Snapshot)>,
}

/// Trains the folds, then all rows. See [`crate::train()`].
pub(crate) fn train(
    job: &Job<'_>,
    mut files: Option<RunDir>,
    folds: Vec<PlannedRun>,
    refit: PlannedRun,
    monitor: &mut Monitor<'_>,
) -> Result<TrainOutcome> {
    let mut seen = CrossValidation {
        planned: folds.len(),
        folds: Vec::new(),
        discarded: Done::default(),
        labelled: Ok(Vec::new()),
        best: None,
    };
    let mut doublings = 0;
    for (index, fold) in folds.iter().enumerate() {
        let runs_after = (folds.len() - index) as u64;
        let mut plan = (0..doublings).fold(fold.plan, |plan, _| plan.doubled());
        let (mut run, reason) = loop {
            let mut run = Run::new(*job, PlannedRun { plan, ..fold.clone() }, files.take())?;
            run.between(seen.steps(), runs_after * plan.until);
            let reason = seen.run(&mut run, monitor)?;
            if index > 0 || !is_too_short(&run, reason) {
                break (run, reason);
            }
            // The other folds need not find out again.
            plan = plan.doubled();
            doublings = plan.doublings;
            files = seen.discard(run);
        };
        seen.add(&mut run, reason, monitor);
        if reason.is_premature() {
            return seen.give_up(run, reason, monitor);
        }
        files = run.files.take();
    }
    let best = seen.best_step();
    let plan = (0..doublings).fold(refit.plan, |plan, _| plan.doubled());
    let plan = Plan { until: best.step, ..plan };
    let mut run = Run::new(*job, PlannedRun { plan, ..refit }, files)?;
    run.between(seen.steps(), 0);
    let reason = seen.run(&mut run, monitor)?;
    if reason.is_premature() {
        return seen.give_up(run, reason, monitor);
    }
    seen.finish(run, &best, monitor)
}

/// Whether a fold should have had more steps, and may: its loss was still falling when they were over.
fn is_too_short(run: &Run<'_>, reason: StopReason) -> bool {
    let options = run.job.options;
    let curve: Vec<(u64, f64)> = run.done.validation_losses().collect();
    let may = options.max_steps == 0 && run.plan.doublings < options.epoch_doublings;
    may && reason == StopReason::Completed && is_falling(run.done.base_validation_loss, &curve)
}

/// The step to train to.
#[derive(Debug, PartialEq)]
struct BestStep {
    step: u64,
    /// Mean loss per answer token, each row's by the fold that did not see it.
    loss: f64,
}

impl CrossValidation {
    /// Runs a part to its end. What ends it before its first step ends the training; before the first step of all, it is
    /// an error.
    fn run(&self, run: &mut Run<'_>, monitor: &mut Monitor<'_>) -> Result<StopReason> {
        let ended = run.resume_if_asked().and_then(|()| run.execute(monitor));
        ended.or_else(|err| if self.has_something_to_give(&err) { Ok(run.give_up(err)) } else { Err(err) })
    }

    /// Whether a fold before has weights that are worth more than the error.
    fn has_something_to_give(&self, err: &Error) -> bool {
        self.best
            .as_ref()
            .is_some_and(|(_, best)| err.code() == Code::Cancelled || best.validation_loss.is_some_and(f64::is_finite))
    }

    /// Optimizer steps so far.
    fn steps(&self) -> u64 {
        self.discarded.steps + self.folds.iter().map(|fold| fold.done.steps).sum::<u64>()
    }

    /// Counts the first fold, which is made again; its best weights are there if that is stopped at once.
    fn discard(&mut self, mut run: Run<'_>) -> Option<RunDir> {
        self.best = Some((0, run.take_best()));
        self.discarded.steps += run.done.steps;
        self.discarded.add_work_of(&run.done);
        run.files
    }

    /// Takes note of a fold that made at least a step, and of what it says of the rows that it has not seen.
    fn add(&mut self, run: &mut Run<'_>, reason: StopReason, monitor: &mut Monitor<'_>) {
        if run.done.steps == 0 {
            return;
        }
        let best = run.take_best();
        if let (Ok(labelled), false) = (&mut self.labelled, reason.is_premature()) {
            let share = run.job.options.calibration_rows.div_ceil(self.planned);
            match caught(|| run.label(&best, (&run.validation_rows, share), monitor)) {
                Ok(more) => labelled.extend(more),
                Err(err) => self.labelled = Err(err),
            }
        }
        let loss = |best: &Snapshot| best.validation_loss.unwrap_or(f64::INFINITY);
        let (step, validation_loss) = (best.step, best.validation_loss);
        if self.best.as_ref().is_none_or(|(_, other)| loss(&best) < loss(other)) {
            self.best = Some((self.folds.len(), best));
        }
        let examples = &run.job.examples.rows;
        let tokens =
            run.validation_rows.iter().map(|&row| examples[row].ids.len() - examples[row].prompt_len).sum::<usize>();
        self.folds.push(Fold {
            train_rows: run.train_rows.clone(),
            validation_rows: run.validation_rows.clone(),
            reason,
            tokens: tokens as f64,
            done: run.done.clone(),
            best: (step, validation_loss),
        });
    }

    /// Mean over the folds, each weighing as many tokens as it validated.
    fn mean(&self, loss: impl Fn(&Fold) -> Option<f64>) -> Option<f64> {
        let tokens: f64 = self.folds.iter().map(|fold| fold.tokens).sum();
        let sum = self.folds.iter().map(|fold| Some(loss(fold)? * fold.tokens)).sum::<Option<f64>>()?;
        Some(sum / tokens)
    }

    /// The mean loss at each step that all folds validated: one that stopped early has none after that.
    fn curve(&self) -> Vec<BestStep> {
        let mean = |step| self.mean(|fold| fold.done.validation_losses().find(|at| at.0 == step).map(|at| at.1));
        let steps = self.folds.first().into_iter().flat_map(|fold| fold.done.validation_losses());
        steps.filter_map(|(step, _)| Some(BestStep { step, loss: mean(step)? })).collect()
    }

    /// The first step with the lowest mean loss.
    fn best_step(&self) -> BestStep {
        let finite = self.curve().into_iter().filter(|at| at.loss.is_finite());
        let best = finite.reduce(|best, other| if other.loss < best.loss { other } else { best });
        best.unwrap_or(BestStep { step: 1, loss: f64::NAN })
    }

    fn json(&self) -> Value {
        let fold = |fold: &Fold| {
            json!({
                "train_rows": fold.train_rows.len(),
                "validation_rows": fold.validation_rows.len(),
                "steps": fold.done.steps,
                "stop_reason": fold.reason.name(),
                "best_step": fold.best.0,
                "validation_loss": fold.best.1,
                "base_validation_loss": fold.done.base_validation_loss,
            })
        };
        self.folds.iter().map(fold).collect()
    }

    /// Cancelled or failed: the adapter of the best fold, which has not seen all rows.
    fn give_up(mut self, run: Run<'_>, reason: StopReason, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
        let folds = self.json();
        let Some((_, best)) = self.best.take() else {
            return Err(Error::new(Code::Cancelled, "cancelled by the host"));
        };
        let mut ending = Ending::of(run, reason, best);
        ending.summary["folds"] = folds;
        ending.summary["refit"] = json!(false);
        ending.write(monitor)
    }

    fn finish(mut self, mut run: Run<'_>, best: &BestStep, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
        for (step, figures) in self.curve().iter().map(|at| (at.step, [("loss", at.loss)])) {
            run.log("validation", step, &figures);
        }
        let base = self.mean(|fold| fold.done.base_validation_loss);
        let doublings = run.plan.doublings;
        self.folds.iter().map(|fold| &fold.done).chain([&self.discarded]).for_each(|done| run.done.add_work_of(done));
        let (job, rows) = (run.job, run.train_rows.len());
        let (weights, folds) = (run.take_best(), self.json());
        let mut ending = Ending::of(run, StopReason::Completed, weights);
        ending.evaluation = base.map(|base| Evaluation { rows, base, adapter: best.loss });
        if self.folds.iter().all(|fold| fold.reason == StopReason::Completed) {
            let curve: Vec<(u64, f64)> = self.curve().iter().map(|at| (at.step, at.loss)).collect();
            ending.notes.extend(still_falling(base, &curve));
        }
        ending.summary["validation_rows"] = json!(rows);
        ending.summary["base_validation_loss"] = json!(base);
        ending.summary["validation_loss"] = json!(best.loss);
        ending.summary["folds"] = folds;
        ending.summary["epoch_doublings"] = json!(doublings);
        ending.summary["refit"] = json!(true);
        if let Some((index, snapshot)) = self.best.take() {
            let Fold { train_rows, validation_rows, .. } = &self.folds[index];
            let note = "answered by the adapter of the best fold on the rows it did not see; the adapter given out has seen all";
            let probe = job.probe(snapshot.stack(), validation_rows, train_rows, Some(note));
            ending.probe(&probe, monitor);
        }
        ending.label(self.labelled);
        ending.write(monitor)
    }
}
