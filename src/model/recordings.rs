//! Passes that give the next tokens of some sequences, recorded on a card: see `gpu::Recording`.

use super::batch::{Batch, Run};
use super::passes::lock;
use super::sites::LoraStack;
use crate::error::Result;
use crate::gpu::{Gpu, Recording};
use crate::ops::rope;
use crate::tensor::Matrix;
use std::sync::Mutex;

/// The largest pass that is recorded: larger ones take a card longer than the host.
const MOST_TOKENS: usize = 64;
// They are read on the caller's thread, where no other may be woken.
const _: () = assert!(MOST_TOKENS <= rope::FEW);
/// Recordings that are kept, and the tokens of all of them: each has the memory of its pass, a third of a megabyte a token
/// for a model of 7 B parameters, so that all of them have a tenth of a gigabyte.
const KEPT: usize = 8;
const KEPT_TOKENS: usize = 256;

/// Those of one decoder.
#[derive(Default)]
pub(super) struct Recordings(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The one that was used last at the end.
    all: Vec<(Key, Recording)>,
    /// The last pass that there was no recording of. Only one that comes again is worth recording: as texts end, each step
    /// may have other sequences.
    last: Option<Key>,
}

/// What passes have in common that are likely to be the same work. Whether they are, is found out.
#[derive(Clone, PartialEq)]
struct Key {
    runs: Vec<Run>,
    /// What tells them apart: the identities of those that have one, addresses of the others. Every session has a stack of its
    /// own, and who is first in a pass changes.
    stacks: Vec<(Option<[u8; 32]>, usize)>,
}

impl Key {
    fn tokens(&self) -> usize {
        self.runs.last().map_or(0, |run| run.rows.end)
    }
}

impl Recordings {
    /// Whether a pass is one that comes again: a token of each of some sequences, and what follows it.
    pub(super) fn apply_to(batch: &Batch) -> bool {
        let tokens = batch.tokens().len();
        (1..=MOST_TOKENS).contains(&tokens) && batch.outputs().len() == tokens && batch.most_rows() == 1
    }

    /// What `hidden` gives for a batch, from its recording if there is one.
    pub(super) fn repeated(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        stacks: &[&LoraStack],
        mut hidden: impl FnMut() -> Result<Matrix>,
    ) -> Result<Matrix> {
        let apart = |stack: &&LoraStack| match stack.identity() {
            None => (None, std::ptr::from_ref(*stack) as usize),
            identity => (identity, 0),
        };
        let key = Key { runs: batch.runs(), stacks: stacks.iter().map(apart).collect() };
        let Some(mut recording) = self.take(&key) else { return hidden() };
        let array = gpu.repeated(&mut recording, || hidden()?.into_array())?;
        self.keep(key, recording);
        let rows = batch.outputs().len();
        Ok(Matrix::of_array(rows, array.len() / rows.max(1), array))
    }

    /// The recording of such passes, or a new one if the last was one of them.
    fn take(&self, key: &Key) -> Option<Recording> {
        let mut held = lock(&self.0);
        if let Some(index) = held.all.iter().position(|(of, _)| of == key) {
            return Some(held.all.remove(index).1);
        }
        match held.last.take().filter(|last| last == key) {
            Some(_) => Some(Recording::default()),
            None => {
                held.last = Some(key.clone());
                None
            }
        }
    }

    fn keep(&self, key: Key, recording: Recording) {
        let mut held = lock(&self.0);
        held.all.push((key, recording));
        let tokens = |all: &[(Key, Recording)]| all.iter().map(|(key, _)| key.tokens()).sum::<usize>();
        while held.all.len() > KEPT || tokens(&held.all) > KEPT_TOKENS {
            held.all.remove(0);
        }
    }

    /// Passes that were repeated, by those that are held.
    #[cfg(test)]
    pub(super) fn replays(&self) -> usize {
        lock(&self.0).all.iter().map(|(_, recording)| recording.replays()).sum()
    }
}
