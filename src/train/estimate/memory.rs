//! How much memory a training will take, and how many of its layers keep their activations: decided before it begins.

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
    /// Where every layer keeps its activations, where none does, and as it will be.
    plain: Pass,
    checkpointed: Pass,
    chosen: Pass,
    layers: usize,
    /// The layers that keep their activations; the others are run again for their backward passes.
    pub(crate) kept_layers: usize,
    /// `max_memory`, bytes.
    pub(crate) limit: Option<u64>,
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
        let pass = |kept_layers: usize| {
            let training = workload.training.iter().map(|&batch| decoder.training_memory(batch, kept_layers));
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
        // What products with activations of fewer bytes take of it.
        let cast = decoder.device().activation_bytes() % 4;
        let (layers, limit) = (decoder.config().num_hidden_layers, options.max_memory.as_ref());
        let limit = limit.map(|size| size.bytes("max_memory")).transpose()?;
        let mut estimate = MemoryEstimate {
            weights: decoder.weight_bytes(),
            workspace: decoder.workspace_bytes(),
            adapter: (4 * copies + cast) * adapter.num_parameters() as u64,
            plain: pass(layers),
            checkpointed: pass(0),
            chosen: Pass::default(),
            layers,
            kept_layers: 0,
            limit,
        };
        // The weights are in memory already.
        let most = limit.or_else(|| decoder.device().free_memory().map(|free| free.saturating_add(estimate.weights)));
        estimate.kept_layers = match options.gradient_checkpointing {
            GradientCheckpointing::Fixed(true) => 0,
            GradientCheckpointing::Fixed(false) => layers,
            GradientCheckpointing::Auto(_) => {
                last_that(layers, |full| most.is_none_or(|most| estimate.peak_of(pass(full)) <= most))
            }
        };
        estimate.chosen = pass(estimate.kept_layers);
        Ok(estimate)
    }

    fn peak_of(&self, Pass { saved, temporaries, .. }: Pass) -> u64 {
        self.weights + self.workspace + self.adapter + saved + temporaries
    }

    /// Bytes at the peak.
    pub(crate) fn peak(&self) -> u64 {
        self.peak_of(self.chosen)
    }

    /// Whether any layer is run again in place of keeping its activations.
    pub(crate) fn checkpoints(&self) -> bool {
        self.kept_layers < self.layers
    }

    /// Whether `max_memory` is kept to.
    pub(crate) fn fits(&self) -> bool {
        self.limit.is_none_or(|limit| self.peak() <= limit)
    }

    /// # Errors
    /// `OutOfMemory` if `max_memory` cannot be kept to.
    pub(crate) fn check(&self) -> Result<()> {
        match self.limit {
            Some(limit) if !self.fits() => Err(self.refusal(limit)),
            _ => Ok(()),
        }
    }

    fn refusal(&self, limit: u64) -> Error {
        let (plain, checkpointed) = (self.peak_of(self.plain), self.peak_of(self.checkpointed));
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
    pub(crate) fn json(&self) -> Value {
        let Pass { saved, temporaries, logits } = self.chosen;
        json!({
            "peak_bytes": self.peak(),
            "weights_bytes": self.weights,
            "workspace_bytes": self.workspace,
            "adapter_bytes": self.adapter,
            "activations_bytes": saved,
            "temporaries_bytes": temporaries,
            "logits_bytes": logits,
            "checkpointed_layers": self.layers - self.kept_layers,
            "without_checkpointing_bytes": self.peak_of(self.plain),
            "with_checkpointing_bytes": self.peak_of(self.checkpointed),
        })
    }
}

/// The last of 0, 1 .. `end` that `holds`, which is true up to some number; 0 where it is true of none.
fn last_that(end: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut last, mut not) = (0, end + 1);
    if holds(end) {
        return end;
    }
    while not - last > 1 {
        let half = usize::midpoint(last, not);
        *(if holds(half) { &mut last } else { &mut not }) = half;
    }
    last
}
