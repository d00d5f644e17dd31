//! Runs sequences on a model: a step is one forward pass of what each of them wants next.

use super::context::Context;
use super::sequence::{Sequence, Step};
use crate::error::Result;
use crate::language_model::LanguageModel;
use crate::model::Decoder;

/// What steps the sequences of one model. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    model: LanguageModel,
}

/// A sequence and what the model has read of it.
pub(crate) struct Slot {
    pub(crate) sequence: Sequence,
    context: Context,
    begun: bool,
}

impl Engine {
    pub(crate) fn new(model: &LanguageModel) -> Self {
        Engine { model: model.clone() }
    }

    /// One step of each sequence, and what came of it, in their order. An error is that of its sequence alone; one that has
    /// ended stays as it is.
    pub(crate) fn step(&mut self, slots: &mut [Slot]) -> Vec<Result<Step>> {
        let logits = self.forward(slots);
        slots.iter_mut().zip(logits).map(|(slot, logits)| slot.sequence.take(logits?)).collect()
    }

    /// [`Engine::step`] of one sequence.
    pub(crate) fn step_one(&mut self, slot: &mut Slot) -> Result<Step> {
        self.step(std::slice::from_mut(slot)).pop().unwrap_or_else(|| Ok(Step::default()))
    }

    /// The logits that each sequence waits for.
    fn forward(&self, slots: &mut [Slot]) -> Vec<Result<Vec<Vec<f32>>>> {
        slots.iter_mut().map(|slot| slot.forward(self.model.decoder())).collect()
    }
}

impl Slot {
    /// `context` is where the prompt is read, at the first step.
    pub(crate) fn new(sequence: Sequence, context: Context) -> Self {
        Slot { sequence, context, begun: false }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.sequence.finish_reason().is_some()
    }

    pub(crate) fn into_context(self) -> Context {
        self.context
    }

    fn forward(&mut self, decoder: &Decoder) -> Result<Vec<Vec<f32>>> {
        if self.is_finished() {
            return Ok(Vec::new());
        }
        if !self.begun {
            let shared = self.context.begin(decoder, self.sequence.prompt(), self.sequence.budget())?;
            self.sequence.skip(shared);
            self.begun = true;
        }
        self.context.read(decoder, self.sequence.wants(), self.sequence.outputs())
    }
}
