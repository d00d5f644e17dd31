//! Runs sequences on a model: a step is one forward pass of what each of them wants next.

use super::context::{Context, Pool, lock};
use super::sequence::{Sequence, Step};
use crate::error::Result;
use crate::language_model::LanguageModel;
use crate::model::{Batch, LoraStack};
use std::sync::{Arc, Mutex};

/// What steps the sequences of one model. Clones share it, and step one after the other.
#[derive(Clone)]
pub(crate) struct Engine {
    model: LanguageModel,
    pool: Pool,
}

/// A sequence and what the model has read of it.
pub(crate) struct Slot {
    pub(crate) sequence: Sequence,
    context: Context,
    begun: bool,
}

/// The logits after each of the tokens that were to be outputs.
type Logits = Vec<Vec<f32>>;

impl Engine {
    pub(crate) fn new(model: &LanguageModel) -> Result<Self> {
        let pool = Arc::new(Mutex::new(model.decoder().new_pool(0)?));
        Ok(Engine { model: model.clone(), pool })
    }

    /// An empty context of at most `limit` tokens, under a stack of adapters.
    pub(crate) fn context(&self, lora: LoraStack, limit: usize) -> Context {
        Context::new(&self.pool, lora, limit)
    }

    /// One step of each sequence, and what came of it, in their order. An error is that of its sequence alone; one that has
    /// ended stays as it is. All contexts are of this engine.
    pub(crate) fn step(&mut self, slots: &mut [Slot]) -> Vec<Result<Step>> {
        let begun: Vec<Result<()>> = slots.iter_mut().map(Slot::begin).collect();
        let mut logits =
            self.logits(slots.iter_mut().zip(&begun).filter(|(_, begun)| begun.is_ok()).map(|(slot, _)| slot));
        let take = |(slot, begun): (&mut Slot, Result<()>)| {
            begun?;
            slot.sequence.take(logits.next().unwrap_or_else(|| Ok(Vec::new()))?)
        };
        slots.iter_mut().zip(begun).map(take).collect()
    }

    /// [`Engine::step`] of one sequence.
    pub(crate) fn step_one(&mut self, slot: &mut Slot) -> Result<Step> {
        self.step(std::slice::from_mut(slot)).pop().unwrap_or_else(|| Ok(Step::default()))
    }

    /// The logits that each sequence waits for. What of the next draws does not depend on them is made meanwhile.
    fn logits<'s>(&self, slots: impl Iterator<Item = &'s mut Slot>) -> std::vec::IntoIter<Result<Logits>> {
        let (mut parts, mut constrained) = (Vec::new(), Vec::new());
        for Slot { sequence, context, .. } in slots {
            let (tokens, outputs) = match sequence.finish_reason() {
                Some(_) => (Vec::new(), 0),
                None => (sequence.wants().to_vec(), sequence.outputs()),
            };
            parts.push(Part { context, tokens, outputs });
            if sequence.can_prepare() {
                constrained.push(sequence);
            }
        }
        let mut forward = || self.forward(&mut parts);
        let logits = match constrained.is_empty() {
            true => forward(),
            false => self.model.decoder().beside(|| constrained.into_iter().for_each(Sequence::prepare), forward),
        };
        logits.into_iter()
    }

    /// All parts in one pass, or, if that fails, each in its own.
    fn forward(&self, parts: &mut [Part<'_>]) -> Vec<Result<Logits>> {
        match self.run(parts) {
            Ok(logits) => logits.into_iter().map(Ok).collect(),
            Err(err) if parts.len() == 1 => vec![Err(err)],
            Err(_) => {
                let alone = |part: &mut Part<'_>| self.run(std::slice::from_mut(part)).map(|mut of| of.remove(0));
                parts.iter_mut().map(alone).collect()
            }
        }
    }

    /// Reads `tokens` after what a context has read; the logits after each of the last `outputs` of them.
    pub(crate) fn read(&self, context: &mut Context, tokens: &[u32], outputs: usize) -> Result<Logits> {
        let part = Part { context, tokens: tokens.to_vec(), outputs };
        Ok(self.run(&mut [part])?.pop().unwrap_or_default())
    }

    /// One forward pass. On an error no context has read more than before.
    fn run(&self, parts: &mut [Part<'_>]) -> Result<Vec<Logits>> {
        let mut batch = Batch::default();
        let mut stacks: Vec<&LoraStack> = Vec::new();
        for part in parts.iter().filter(|part| !part.tokens.is_empty()) {
            part.context.push_to(&mut batch, &part.tokens, part.outputs, stacks.len())?;
            stacks.push(part.context.lora());
        }
        if batch.tokens().is_empty() {
            return Ok(vec![Vec::new(); parts.len()]);
        }
        let decoder = self.model.decoder();
        let hidden = decoder.hidden(&batch, &mut lock(&self.pool), &stacks)?;
        let mut rows = match hidden.rows() {
            0 => Vec::new(),
            _ => {
                let logits = decoder.logits(&hidden)?;
                let vocab = logits.cols();
                logits.into_values()?.chunks_exact(vocab).map(<[f32]>::to_vec).collect()
            }
        }
        .into_iter();
        let advance = |part: &mut Part<'_>| {
            part.context.advance(&part.tokens);
            rows.by_ref().take(part.outputs).collect()
        };
        Ok(parts.iter_mut().map(advance).collect())
    }
}

/// What one sequence has in a pass.
struct Part<'a> {
    context: &'a mut Context,
    tokens: Vec<u32>,
    outputs: usize,
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

    fn begin(&mut self) -> Result<()> {
        if !self.begun && !self.is_finished() {
            let shared = self.context.begin(self.sequence.prompt(), self.sequence.budget())?;
            self.sequence.skip(shared);
            self.begun = true;
        }
        Ok(())
    }
}
