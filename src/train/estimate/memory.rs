//! How much memory a training will take, and whether its layers keep their activations: decided before it begins.

use super::workload::Workload;
use crate::adapter::Adapter;
use crate::error::{Code, Error, Result};
use crate::language_model::LanguageModel;
use crate::train::options::{GradientCheckpointing, TrainOptions, shown};
use serde_json::{Value, json};

/// The memory of a training at its peak, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryEstimate {
    /// The model's weights.
    weights: u64,
    /// What matrix products keep.
    workspace: u64,
    /// Adapter, gradients and optimizer, with the copies that early stopping keeps.
    adapter: u64,
    plain: Pass,
    checkpointed: Pass,
    /// Bytes that are free where the model is, if that can be told.
    free: Option<u64>,
}

/// What follows from an estimate and the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) checkpointing: bool,
    /// `max_memory`, bytes.
    pub(crate) limit: Option<u64>,
    /// Whether the limit is kept to.
    pub(crate) fits: bool,
}

/// What the largest pass holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pass {
    saved: u64,
    /// One layer's backward, one layer of a validation, or the logits, whichever is most.
    temporaries: u64,
    /// The hidden states of trained tokens and a chunk of logits.
    logits: u64,
}

impl MemoryEstimate {
    /// For the passes of `workload`.
    pub(crate) fn of(model: &LanguageModel, workload: &Workload, options: &TrainOptions) -> Result<Self> {
        let decoder = model.decoder();
        let adapter = Adapter::new_for_training(&options.lora_config(), model.adapter_base()?, options.seed)?;
        let pass = |checkpoint: bool| {
            let training = workload.training.iter().map(|&batch| decoder.training_memory(batch, checkpoint));
            let largest = training.max_by_key(|pass| pass.peak()).unwrap_or_default();
            let validation = workload.validation.iter().map(|&batch| decoder.evaluation_memory(batch).peak());
            let beyond = validation.max().unwrap_or(0).saturating_sub(largest.saved);
            let temporaries = largest.backward.max(largest.loss).max(beyond);
            Pass { saved: largest.saved, temporaries, logits: largest.loss }
        };
        // Beside weight, gradient and two moments: the adapter as it began, the best one, that of the best fold, and the
        // gradients of a micro-batch that is to be added.
        let accumulating = options.gradient_accumulation_steps > 1;
        let copies =
            5 + u64::from(!workload.validation.is_empty()) + u64::from(workload.folds > 0) + u64::from(accumulating);
        Ok(MemoryEstimate {
            weights: decoder.weight_bytes(),
            workspace: decoder.workspace_bytes(),
            adapter: 4 * copies * adapter.num_parameters() as u64,
            plain: pass(false),
            checkpointed: pass(true),
            free: decoder.device().free_memory(),
        })
    }

    fn pass(&self, checkpoint: bool) -> Pass {
        if checkpoint { self.checkpointed } else { self.plain }
    }

    /// Bytes at the peak.
    pub(crate) fn peak(&self, checkpoint: bool) -> u64 {
        let Pass { saved, temporaries, .. } = self.pass(checkpoint);
        self.weights + self.workspace + self.adapter + saved + temporaries
    }

    /// Whether layers are to be run again in place of keeping their activations, and whether that is enough.
    pub(crate) fn decide(&self, options: &TrainOptions) -> Result<Decision> {
        let limit = options.max_memory.as_ref().map(|size| size.bytes("max_memory")).transpose()?;
        let checkpointing = match options.gradient_checkpointing {
            GradientCheckpointing::Fixed(fixed) => fixed,
            // The weights are in memory already.
            GradientCheckpointing::Auto(_) => match limit {
                Some(limit) => self.peak(false) > limit,
                None => self.free.is_some_and(|free| self.peak(false) - self.weights > free),
            },
        };
        let fits = limit.is_none_or(|limit| self.peak(checkpointing) <= limit);
        Ok(Decision { checkpointing, limit, fits })
    }

    /// Whether layers are to be run again in place of keeping their activations.
    ///
    /// # Errors
    /// `OutOfMemory` if `max_memory` cannot be kept to.
    pub(crate) fn checkpointing(&self, options: &TrainOptions) -> Result<bool> {
        match self.decide(options)? {
            Decision { limit: Some(limit), fits: false, .. } => Err(self.refusal(limit)),
            Decision { checkpointing, .. } => Ok(checkpointing),
        }
    }

    fn refusal(&self, limit: u64) -> Error {
        let (plain, checkpointed) = (self.peak(false), self.peak(true));
        let message = format!(
            "training needs about {}, and {} with gradient_checkpointing; max_memory is {}: lower batch_size or max_length, \
             quantize the model, or raise max_memory",
            shown(plain),
            shown(checkpointed),
            shown(limit)
        );
        Error::new(Code::OutOfMemory, message)
            .with("option", "max_memory")
            .with("estimated_bytes", plain)
            .with("estimated_bytes_with_checkpointing", checkpointed)
            .with("max_memory", limit)
    }

    /// The parts, as the host sees them.
    pub(crate) fn json(&self, checkpoint: bool) -> Value {
        let Pass { saved, temporaries, logits } = self.pass(checkpoint);
        json!({
            "peak_bytes": self.peak(checkpoint),
            "weights_bytes": self.weights,
            "workspace_bytes": self.workspace,
            "adapter_bytes": self.adapter,
            "activations_bytes": saved,
            "temporaries_bytes": temporaries,
            "logits_bytes": logits,
            "without_checkpointing_bytes": self.peak(false),
            "with_checkpointing_bytes": self.peak(true),
        })
    }
}
