//! What one pass over a batch shares among the layers.

use super::super::batch::{Batch, Run};
use super::super::kv_pool::Placements;
use super::super::sites::{LoraStack, Site, Sites};
use crate::ops::attention::Span;
use crate::ops::lora::{Dropout, LoraWeights};
use crate::ops::rope::Rotation;
use std::ops::Range;

/// The batch as layers see it, and the adapters.
pub(crate) struct Pass<'a> {
    rotations: Vec<Rotation>,
    pub(super) spans: Vec<Span>,
    /// Where keys and values go in the pool.
    pub(super) placements: Placements,
    sites: Sites,
    stacks: &'a [&'a LoraStack],
    dropout: Option<Dropout>,
    runs: Vec<Run>,
    /// Rows whose hidden states are wanted: the last layer makes no others, as only they meet the head.
    outputs: Vec<u32>,
    /// Whether they are fewer than all.
    selects: bool,
    output_runs: Vec<Run>,
    /// The lowest layer that has deltas.
    lowest: usize,
}

impl<'a> Pass<'a> {
    /// `stacks` by the index that the sequences name.
    pub(in crate::model) fn new(
        batch: &Batch,
        rotations: Vec<Rotation>,
        placements: Placements,
        sites: Sites,
        stacks: &'a [&'a LoraStack],
        dropout: Option<Dropout>,
    ) -> Self {
        Pass {
            rotations,
            spans: batch.spans(),
            placements,
            sites,
            stacks,
            dropout,
            runs: batch.runs(),
            outputs: batch.outputs().to_vec(),
            selects: batch.outputs().len() < batch.tokens().len(),
            output_runs: batch.output_runs(),
            lowest: stacks.iter().filter_map(|stack| stack.lowest_layer()).min().unwrap_or(0),
        }
    }

    /// The rotation of that index.
    pub(super) fn rotation(&self, index: Option<usize>) -> Option<&Rotation> {
        self.rotations.get(index?)
    }

    /// The dropout of one site: the step's seed, told apart by the site.
    pub(super) fn dropout_at(&self, site: Site) -> Option<Dropout> {
        let of_site = (self.sites.index(site) as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.dropout.map(|d| Dropout { seed: d.seed ^ of_site, ..d })
    }

    /// The rows that go on behind the attention of a layer; `None` for all.
    pub(super) fn outputs_of(&self, layer: usize) -> Option<&[u32]> {
        (layer + 1 == self.sites.num_layers && self.selects).then_some(&*self.outputs)
    }

    /// The rows that come in to a layer, with the deltas of a site.
    pub(super) fn inputs_at(&self, site: Site) -> impl Iterator<Item = (Range<usize>, &'a [LoraWeights])> {
        self.deltas(&self.runs, site)
    }

    /// The rows that go on behind the attention of a layer, with the deltas of a site.
    pub(super) fn outputs_at(&self, site: Site) -> impl Iterator<Item = (Range<usize>, &'a [LoraWeights])> {
        let selected = self.outputs_of(site.layer).is_some();
        self.deltas(if selected { &self.output_runs } else { &self.runs }, site)
    }

    fn deltas<'s>(
        &self,
        runs: &'s [Run],
        site: Site,
    ) -> impl Iterator<Item = (Range<usize>, &'a [LoraWeights])> + use<'s, 'a> {
        let stacks = self.stacks;
        runs.iter().map(move |run| (run.rows.clone(), stacks.get(run.stack).map_or(&[][..], |stack| stack.at(site))))
    }

    /// The deltas that a backward pass has the gradients of: those of the first stack, the only one then.
    pub(super) fn trained_at(&self, site: Site) -> &'a [LoraWeights] {
        self.stacks.first().map_or(&[], |stack| stack.at(site))
    }

    /// Whether all rows run through the first stack, as a backward pass needs.
    pub(in crate::model) fn has_one_stack(&self) -> bool {
        self.stacks.len() == 1 && self.runs.iter().all(|run| run.stack == 0)
    }

    /// Whether anything below a layer is trained.
    pub(super) fn trains_below(&self, layer: usize) -> bool {
        layer > self.lowest
    }

    /// Whether a layer, or anything below it, is trained.
    pub(in crate::model) fn trains_down_to(&self, layer: usize) -> bool {
        layer >= self.lowest
    }
}
