//! What a training came to: the adapter as a named version, and the summary.

use super::calibration::by_place;
use super::convergence::still_falling;
use super::done::StopReason;
use super::early_stopping::Snapshot;
use super::failure::{self, caught};
use super::job::Job;
use super::training_loop::Run;
use crate::adapter::Adapter;
use crate::adapter::calibration::Calibration;
use crate::conclusions::{Labelled, calibrate};
use crate::control::{Monitor, Phase};
use crate::error::{Code, Result};
use crate::evaluate::{Evaluation, Probe, memorisation};
use crate::memory;
use crate::train::record::{Notes, Provenance, learnt_rows, named_version, write_page};
use serde_json::{Value, json};

/// What training gives back.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The best adapter: that of the lowest validation loss, or the last one without validation rows.
    pub adapter: Adapter,
    /// How it went: steps, losses, speed, why it ended, where it was saved; `evaluation` against the base model and
    /// `memorisation`, with `folds` where there were any.
    pub summary: Value,
}

/// The outcome of a training that is one run.
pub(crate) fn of_run(mut run: Run<'_>, reason: StopReason, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
    let best = run.take_best();
    let (trained, held_out) = (run.train_rows.clone(), run.validation_rows.clone());
    let (job, lora) = (run.job, best.stack());
    let losses = run.done.base_validation_loss.zip(best.validation_loss);
    let curve: Vec<(u64, f64)> = run.done.validation_losses().collect();
    let base = run.done.base_validation_loss;
    let mut ending = Ending::of(run, reason, best);
    if reason == StopReason::Completed {
        ending.notes.extend(still_falling(base, &curve));
    }
    ending.evaluation = losses.map(|(base, adapter)| Evaluation { rows: held_out.len(), base, adapter });
    // A host that asked to stop does not wait for this, and after an error it would hardly succeed.
    if !reason.is_premature() {
        let (asked, note) = match held_out.is_empty() {
            true => {
                (&trained, Some("no row was held out: the inputs are training inputs, whose outputs were to be learnt"))
            }
            false => (&held_out, None),
        };
        ending.probe(&job.probe(lora, asked, &trained, note), monitor);
        let labelled = ending.labelled_by_best(&held_out, monitor);
        ending.label(labelled);
    }
    ending.write(monitor)
}

/// A training that has ended, until it is written down.
pub(crate) struct Ending<'a> {
    run: Run<'a>,
    best: Snapshot,
    pub(crate) evaluation: Option<Evaluation>,
    /// Conclusions on rows that their model had not seen.
    labelled: Vec<Labelled>,
    pub(crate) summary: Value,
    pub(crate) notes: Notes,
}

impl<'a> Ending<'a> {
    /// `run` is the last one, `best` what is given out.
    pub(crate) fn of(run: Run<'a>, reason: StopReason, best: Snapshot) -> Self {
        let (done, examples) = (&run.done, run.job.examples);
        let summary = json!({
            "stop_reason": reason.name(),
            "error": run.failure.as_ref().map(failure::json),
            "rows": examples.rows.len(),
            "skipped_rows": examples.skipped.len(),
            "truncated_rows": examples.truncated.len(),
            "truncated": examples.listed_cuts(),
            "dataset_tokens": examples.tokens().0,
            "dataset_trained_tokens": examples.tokens().1,
            "longest_row": examples.longest(),
            "train_rows": run.train_rows.len(),
            "validation_rows": run.validation_rows.len(),
            "steps": done.steps,
            "total_steps": run.plan.total_steps,
            "skipped_steps": done.skipped_steps,
            "epochs": run.epochs(),
            "best_step": best.step,
            "loss": done.last_loss,
            "base_validation_loss": done.base_validation_loss,
            "validation_loss": best.validation_loss,
            "memorisation": null,
            "calibration": null,
            "tokens": done.tokens,
            "trained_tokens": done.trained_tokens,
            "tokens_per_second": done.tokens as f64 / done.training.as_secs_f64().max(1e-9),
            "parameters": run.initial.num_parameters(),
            "seed": run.job.options.seed,
            "gradient_checkpointing": run.job.memory.checkpoints(),
            "memory": run.job.memory.json(),
        });
        let mut notes = Notes::default();
        if let Some(err) = &run.failure {
            notes.say(format!(
                "training ended early with an error, and the adapter is the best until then, of step {}: {err}",
                best.step
            ));
        }
        Ending { run, best, evaluation: None, labelled: Vec::new(), summary, notes }
    }

    /// Puts the memorisation figure into the summary. Training is over, so a host that asks to stop now gets the adapter
    /// without the figure.
    pub(crate) fn probe(&mut self, probe: &Probe<'_>, monitor: &mut Monitor<'_>) {
        monitor.report(&self.run.event(Phase::Validate));
        let Job { model, options, .. } = self.run.job;
        match caught(|| memorisation(model, options.memorisation_samples, probe, monitor)) {
            Ok(found) => self.summary["memorisation"] = found,
            Err(err) if err.code() == Code::Cancelled => {}
            Err(err) => self.notes.failed("memorisation was not measured", err),
        }
    }

    /// Labels what the adapter says of rows that it has not seen.
    fn labelled_by_best(&self, rows: &[usize], monitor: &mut Monitor<'_>) -> Result<Vec<Labelled>> {
        caught(|| self.run.label(&self.best, (rows, self.run.job.options.calibration_rows), monitor))
    }

    /// Takes the conclusions to calibrate on, or why there are none. As for the memorisation, a host that asks to stop now
    /// gets the adapter without.
    pub(crate) fn label(&mut self, labelled: Result<Vec<Labelled>>) {
        match labelled {
            Ok(labelled) => self.labelled = labelled,
            Err(err) if err.code() == Code::Cancelled => {}
            Err(err) => self.notes.failed("confidences were not calibrated", err),
        }
    }

    /// The best weights as a named version, saved if there is a run directory and the disk takes them.
    pub(crate) fn write(self, monitor: &mut Monitor<'_>) -> Result<TrainOutcome> {
        let Ending { run, best, evaluation, labelled, mut summary, mut notes } = self;
        let calibration = calibrate(&labelled);
        notes.extend(learnt_too_little(evaluation.as_ref(), calibration.as_ref()));
        if let Some(files) = &run.files {
            notes.extend(files.notes.clone());
        }
        let adapter = run.initial.with_weights(best.weights)?;
        summary["calibration"] = json!(calibration.as_ref().map(summed_up));
        if calibration.is_some() {
            summary["calibration"]["places"] = by_place(&run.job, &labelled);
        }
        summary["evaluation"] = json!(evaluation.map(Evaluation::json));
        summary["memory"]["process_peak_bytes"] = json!(memory::resident().map(|resident| resident.peak));
        summary["seconds"] = json!(run.job.started.elapsed().as_secs_f64());
        summary["notes"] = json!(notes.sentences());
        let mut metrics = summary.as_object().cloned().unwrap_or_default();
        // The same seed gives the same adapter on another day only with this day among the model's options.
        metrics.extend(run.job.model.format().template_date().map(|date| ("date".to_owned(), json!(date.to_string()))));
        let provenance = Provenance {
            rows: run.job.dataset.rows().len(),
            csv_sha256: Some(run.job.dataset.sha256().to_owned()),
            trained_ids: run.job.trained_ids()?,
            metrics,
            calibration,
            learnt: learnt_rows(run.job.rows()),
        };
        let name = &run.job.options.name;
        let (path, adapter) = match &run.files {
            None => (None, named_version(name, &adapter, &provenance)),
            Some(files) => {
                monitor.report(&run.event(Phase::Save));
                match caught(|| files.save_adapter(name, &adapter, &provenance)) {
                    Ok((path, adapter)) => (Some(path), adapter),
                    Err(err) => {
                        let what = "the adapter is in memory only, since it could not be saved in the run directory";
                        notes.failed(what, err);
                        (None, named_version(name, &adapter, &provenance))
                    }
                }
            }
        };
        summary["name"] = json!(adapter.name());
        summary["version"] = json!(adapter.version());
        summary["adapter_path"] = json!(path.map(|path| path.display().to_string()));
        summary["notes"] = json!(notes.sentences());
        if let Some(files) = &run.files {
            let written = caught(|| write_page(files.path(), &summary, adapter.manifest().calibration.as_ref()));
            if let Err(err) = written {
                notes.failed("the page summary.html was not written", err);
                summary["notes"] = json!(notes.sentences());
            }
        }
        Ok(TrainOutcome { adapter, summary })
    }
}

/// What a summary says of a calibration: the manifest has it whole.
fn summed_up(calibration: &Calibration) -> Value {
    json!({
        "kind": if calibration.is_enough() { "calibrated" } else { "band" },
        "rows": calibration.rows,
        "conclusions": calibration.conclusions,
        "right": calibration.right,
        "ece": calibration.reliability.ece,
        "brier": calibration.reliability.brier,
        "auc": calibration.reliability.auc,
    })
}

/// A note if the adapter is no better than the base, or is seldom right.
fn learnt_too_little(evaluation: Option<&Evaluation>, calibration: Option<&Calibration>) -> Notes {
    let mut notes = Notes::default();
    if let Some(Evaluation { base, adapter, .. }) = evaluation.filter(|losses| losses.adapter >= losses.base) {
        notes.say(format!(
            "on rows that it has not seen the adapter is no better than the base model (loss {adapter:.3}, base {base:.3}): do not \
             use it; try a lower learning_rate, or look at the rows"
        ));
    }
    if let Some(Calibration { right, conclusions, .. }) =
        calibration.filter(|found| 2 * found.right < found.conclusions)
    {
        notes.say(format!(
            "of {conclusions} conclusions on rows that it had not seen, the adapter had {right} right: with more rows or more \
             epochs it may learn their rules"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::calibration::tests::calibration;

    #[test]
    fn an_adapter_that_learnt_nothing_is_told() {
        let notes = |adapter, right| {
            let evaluation = Evaluation { rows: 6, base: 2.0, adapter };
            let found = Calibration { right, ..calibration(60) };
            learnt_too_little(Some(&evaluation), Some(&found)).sentences().join(" ")
        };
        assert_eq!(notes(1.9, 30), "");
        assert!(notes(2.0, 30).contains("no better than the base model (loss 2.000, base 2.000)"));
        assert!(notes(1.9, 29).contains("of 60 conclusions") && notes(1.9, 29).contains("had 29 right"));
        assert!(learnt_too_little(None, None).sentences().is_empty());
    }
}
