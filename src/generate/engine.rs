//! Runs sequences on a model: a step is one forward pass of what each of them wants next.

use super::context::Context;
use super::sequence::{CHUNK, CHUNK_ALONE, CHUNK_ON_CARD, Sequence, Step};
use crate::error::Result;
use crate::language_model::LanguageModel;
use crate::model::{Logits, LoraStack};
use std::sync::Arc;

/// Most texts that are written at the same time with tokens read ahead.
const SPECULATING: usize = 2;

/// What steps the sequences of one model, together with those that other threads step. Clones are the same.
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

    /// Tokens of a given text that are read in one pass: as many as make the products of a pass worth reading the weights for.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk_for(1)
    }

    /// The same in a step of so many sequences.
    fn chunk_for(&self, sequences: usize) -> usize {
        match sequences.max(self.model.decoder().callers()) {
            _ if self.model.decoder().device().is_on_card() => CHUNK_ON_CARD,
            ..=1 => CHUNK_ALONE,
            _ => CHUNK,
        }
    }

    /// An empty context of at most `limit` tokens, under a stack of adapters.
    pub(crate) fn context(&self, lora: &LoraStack, limit: usize) -> Result<Context> {
        let decoder = self.model.decoder();
        Ok(Context::new(decoder.kv_pool(), Arc::new(decoder.frozen(lora)?), limit))
    }

    /// One step of each sequence, and what came of it, in their order. An error is that of its sequence alone; one that has
    /// ended stays as it is. All contexts are of this engine.
    pub(crate) fn step(&self, slots: &mut [Slot]) -> Vec<Result<Step>> {
        let begun: Vec<Result<()>> = slots.iter_mut().map(Slot::begin).collect();
        // On another device other rows beside a row would change its last bits.
        if self.model.decoder().device().is_host() {
            let spare = self.has_spare_rows(slots.len());
            slots.iter_mut().for_each(|slot| slot.sequence.speculate(spare));
        }
        let chunk = self.chunk_for(slots.len());
        slots.iter_mut().for_each(|slot| slot.sequence.read_in_chunks_of(chunk));
        let mut logits =
            self.logits(slots.iter_mut().zip(&begun).filter(|(_, begun)| begun.is_ok()).map(|(slot, _)| slot));
        let take = |(slot, begun): (&mut Slot, Result<()>)| {
            begun?;
            let step = slot.sequence.take(logits.next().unwrap_or_else(|| Ok(Vec::new()))?);
            slot.context.forget_last(slot.sequence.wrong());
            step
        };
        slots.iter_mut().zip(begun).map(take).collect()
    }

    /// Whether a pass has so few rows that more of them take hardly longer.
    fn has_spare_rows(&self, sequences: usize) -> bool {
        sequences.max(self.model.decoder().callers()) <= SPECULATING
    }

    /// [`Engine::step`] of one sequence.
    pub(crate) fn step_one(&self, slot: &mut Slot) -> Result<Step> {
        self.step(std::slice::from_mut(slot)).pop().unwrap_or_else(|| Ok(Step::default()))
    }

    /// The logits that each sequence waits for. What of the next draws does not depend on them is made meanwhile.
    fn logits<'s>(&self, slots: impl Iterator<Item = &'s mut Slot>) -> std::vec::IntoIter<Result<Logits>> {
        let (mut requests, mut contexts, mut constrained) = (Vec::new(), Vec::new(), Vec::new());
        for Slot { sequence, context, .. } in slots {
            let (tokens, outputs) = match sequence.finish_reason() {
                Some(_) => (Vec::new(), 0),
                None => (sequence.wants().to_vec(), sequence.outputs()),
            };
            requests.push(context.request(tokens, outputs));
            contexts.push(context);
            if sequence.can_prepare() {
                constrained.push(sequence);
            }
        }
        let decoder = self.model.decoder();
        let read = || decoder.read(requests);
        let replies = match constrained.is_empty() {
            true => read(),
            false => decoder.beside(|| constrained.into_iter().for_each(Sequence::prepare), read),
        };
        let results = contexts.into_iter().zip(replies).map(|(context, reply)| context.take_back(reply));
        results.collect::<Vec<_>>().into_iter()
    }

    /// Reads `tokens` after what a context has read; the logits after each of the last `outputs` of them.
    pub(crate) fn read(&self, context: &mut Context, tokens: &[u32], outputs: usize) -> Result<Logits> {
        self.read_many([(context, tokens.to_vec(), outputs)].into_iter()).pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The same of many in one pass. An error is that of its context alone.
    pub(super) fn read_many<'c>(
        &self,
        readings: impl Iterator<Item = (&'c mut Context, Vec<u32>, usize)>,
    ) -> Vec<Result<Logits>> {
        let ask = |(context, tokens, outputs): (&'c mut Context, Vec<u32>, usize)| {
            let request = context.request(tokens, outputs);
            (context, request)
        };
        let (contexts, requests): (Vec<_>, Vec<_>) = readings.map(ask).unzip();
        let replies = self.model.decoder().read(requests);
        contexts.into_iter().zip(replies).map(|(context, reply)| context.take_back(reply)).collect()
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.model.decoder().config().vocab_size
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

    fn begin(&mut self) -> Result<()> {
        if !self.begun && !self.is_finished() {
            let shared = self.context.begin(self.sequence.prompt(), self.sequence.budget())?;
            self.sequence.skip(shared);
            self.begun = true;
        }
        Ok(())
    }
}
