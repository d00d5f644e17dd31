//! Passes that give the next tokens of some sequences, recorded on a card: see `gpu::Recording`.

use super::batch::{Batch, Run};
use super::passes::lock;
use super::sites::LoraStack;
use crate::error::Result;
use crate::gpu::{Gpu, Recording};
use crate::tensor::Matrix;
use std::sync::Mutex;

/// The largest pass that is recorded: larger ones take a card longer than the host.
const MOST_TOKENS: usize = 16;
/// Recordings that are all, each with the memory of a pass.
const KEPT: usize = 8;

/// Those of one decoder, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Recordings(Mutex<Vec<(Key, Recording)>>);

/// What passes have in common that are likely to be the same work. Whether they are, is found out.
#[derive(Clone, PartialEq)]
struct Key {
    runs: Vec<Run>,
    /// Addresses, to tell them apart.
    stacks: Vec<usize>,
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
        let key = Key {
            runs: batch.runs(),
            stacks: stacks.iter().map(|stack| std::ptr::from_ref(*stack) as usize).collect(),
        };
        let mut recording = self.take(&key);
        let array = gpu.repeated(&mut recording, || hidden()?.into_array())?;
        let mut all = lock(&self.0);
        if all.len() == KEPT {
            all.remove(0);
        }
        all.push((key, recording));
        let rows = batch.outputs().len();
        Ok(Matrix::of_array(rows, array.len() / rows.max(1), array))
    }

    fn take(&self, key: &Key) -> Recording {
        let mut all = lock(&self.0);
        let found = all.iter().position(|(of, _)| of == key);
        found.map(|index| all.remove(index).1).unwrap_or_default()
    }

    /// Passes that were repeated, by those that are kept.
    #[cfg(test)]
    pub(super) fn replays(&self) -> usize {
        lock(&self.0).iter().map(|(_, recording)| recording.replays()).sum()
    }
}
