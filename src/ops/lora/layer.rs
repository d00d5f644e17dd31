//! A linear layer of a pass and the deltas on top of it.

use super::{Dropout, LoraWeights};
use crate::weights::Linear;
use std::ops::Range;

/// A linear layer and what is on top of it.
pub(crate) struct Layer<'a> {
    pub(crate) linear: &'a Linear,
    /// Neighbouring rows that have the same deltas.
    pub(crate) runs: Vec<(Range<usize>, &'a [LoraWeights])>,
    pub(crate) dropout: Option<Dropout>,
}

impl<'a> Layer<'a> {
    /// The deltas that all of so many rows have.
    pub(super) fn deltas_of_all(&self, rows: usize) -> Option<&'a [LoraWeights]> {
        match self.runs.as_slice() {
            [] => Some(&[]),
            [(run, deltas)] if *run == (0..rows) => Some(deltas),
            _ => None,
        }
    }

    /// The delta that goes into the launch of the layer's product, or that there is none; `None` where it has others.
    pub(super) fn joining(&self, rows: usize) -> Option<Option<&'a LoraWeights>> {
        match self.deltas_of_all(rows)? {
            [] => Some(None),
            [delta] if delta.frozen.is_some() => Some(Some(delta)),
            _ => None,
        }
    }
}
