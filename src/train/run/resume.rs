//! What of a run goes into its checkpoint, and how a run goes on from one.

use super::done::Done;
use super::early_stopping::Snapshot;
use super::failure::caught;
use super::training_loop::Run;
use crate::error::{Code, Error, Result};
use crate::model::LoraWeights;
use crate::train::batches::Part;
use crate::train::options::GradientCheckpointing;
use crate::train::record::{CHECKPOINT, Checkpoint, Values, name_of_fold};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct State {
    /// Hash of all that decides the run's bits.
    identity: String,
    done: Done,
    optimizer_steps: u64,
    validations_without_progress: u32,
    best: Option<Best>,
}

#[derive(Serialize, Deserialize)]
struct Best {
    step: u64,
    /// The bits of an f64: decimal text need not come back as the same number.
    validation_loss: Option<u64>,
}

impl State {
    /// Refuses counters that no run of `until` steps has: what follows computes with them.
    fn check(&self, until: u64) -> Result<()> {
        let steps = self.done.steps;
        let best = self.best.as_ref().map_or(0, |best| best.step);
        let waited = u64::from(self.validations_without_progress);
        if steps <= until && self.optimizer_steps.max(best).max(waited) <= steps && self.done.is_plausible() {
            return Ok(());
        }
        Err(Error::new(
            Code::Training,
            format!("the checkpoint is damaged: its counters are not those of a run of {until} steps ({steps} done)"),
        ))
    }
}

impl Run<'_> {
    /// Writes the run's state, replacing the checkpoint before. If that fails, the one before is still there, and the run
    /// goes on.
    pub(crate) fn write_checkpoint(&mut self) {
        let Some(path) = self.checkpoint_path() else { return };
        let written = caught(|| self.checkpoint()?.write(&path));
        if let (Err(err), Some(files)) = (written, self.files.as_mut()) {
            files.notes.failed("a checkpoint was not written, and resuming would go on from the one before", err);
        }
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        let (validations_without_progress, best) = self.stopping.state();
        let mut tensors = HashMap::new();
        for (name, matrix) in self.optimizer.tensors() {
            tensors.insert(name, Values::try_from(matrix)?);
        }
        if let Some(best) = best {
            for (site, LoraWeights { a, b, .. }) in &best.weights {
                tensors.insert(format!("best.{}.lora_A", site.path()), Values::try_from(&**a)?);
                tensors.insert(format!("best.{}.lora_B", site.path()), Values::try_from(&**b)?);
            }
        }
        let state = State {
            identity: self.identity(),
            done: self.done.clone(),
            optimizer_steps: self.optimizer.steps(),
            validations_without_progress,
            best: best.map(|best| Best { step: best.step, validation_loss: best.validation_loss.map(f64::to_bits) }),
        };
        let state = serde_json::to_value(state)
            .map_err(|err| Error::new(Code::Internal, format!("the run's state cannot be written: {err}")))?;
        Ok(Checkpoint { state, tensors })
    }

    /// Goes on from the run directory's checkpoint; without one, the run begins at its beginning.
    ///
    /// # Errors
    /// `Training` if the checkpoint is damaged, or of another run: other options, rows or base model.
    pub(crate) fn resume(&mut self) -> Result<()> {
        let Some(path) = self.checkpoint_path() else { return Ok(()) };
        // Weights, two moments and the best weights, each in its own bytes, and room for names and counters.
        let limit = 4 * 4 * self.initial.num_parameters() as u64 + (64 << 20);
        match Checkpoint::read(&path, limit)? {
            None => Ok(()),
            Some(checkpoint) => self.restore(checkpoint, &self.identity()).map_err(|err| err.in_file(&path)),
        }
    }

    /// Goes on from a checkpoint of the run with that identity.
    pub(crate) fn restore(&mut self, mut checkpoint: Checkpoint, identity: &str) -> Result<()> {
        let state: State = serde_json::from_value(checkpoint.state.clone()).map_err(|err| {
            Error::new(Code::Training, format!("the run's state cannot be read from the checkpoint: {err}"))
        })?;
        if state.identity != identity {
            return Err(Error::new(
                Code::Training,
                "the checkpoint is of another run (other options, rows, base model or thread count); remove it, or take \
                 another output_dir",
            ));
        }
        state.check(self.plan.until)?;
        self.optimizer.restore(state.optimizer_steps, &mut checkpoint)?;
        let mut best = None;
        if let Some(Best { step, validation_loss }) = state.best {
            let mut weights = Vec::new();
            for (site, like) in self.initial.weights() {
                let a = checkpoint.take(&format!("best.{}.lora_A", site.path()), &like.a)?;
                let b = checkpoint.take(&format!("best.{}.lora_B", site.path()), &like.b)?;
                weights.push((*site, LoraWeights::new(Arc::new(a), Arc::new(b), like.scaling)));
            }
            best = Some(Snapshot { step, validation_loss: validation_loss.map(f64::from_bits), weights });
        }
        self.stopping.restore(state.validations_without_progress, best);
        self.done = state.done;
        Ok(())
    }

    fn checkpoint_path(&self) -> Option<PathBuf> {
        let name = match self.part {
            Part::Fold(index) => name_of_fold(index, self.plan.doublings),
            Part::Whole | Part::Refit => CHECKPOINT.to_owned(),
        };
        self.files.as_ref().map(|files| files.path().join(name))
    }

    /// Options that change no bit of the result (paths, names, cadences of writing) are left out.
    pub(crate) fn identity(&self) -> String {
        let mut options = self.job.options.clone();
        options.output_dir = None;
        options.resume_from_checkpoint = false;
        options.checkpoint_steps = 0;
        options.logging_steps = 1;
        options.memorisation_samples = 0;
        options.calibration_rows = 0;
        options.gradient_checkpointing = GradientCheckpointing::AUTO;
        options.max_memory = None;
        options.name.clear();
        let mut hash = Sha256::new();
        hash.update(serde_json::to_string(&options).unwrap_or_default());
        hash.update(self.job.dataset.sha256());
        // Known since the adapter was made for it.
        hash.update(self.job.model.sha256().unwrap_or_default());
        hash.update(format!(
            "{} rows, {} threads",
            self.job.examples.rows.len(),
            self.job.model.decoder().num_threads()
        ));
        hash.update(format!("{:?} of {} steps", self.part, self.plan.until));
        format!("{:x}", hash.finalize())
    }
}
