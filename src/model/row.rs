//! The logits after one token. On a card they stay there: the host has the largest of them, and reads others when it must.

use crate::error::Result;
use crate::gpu::Array;
use crate::ops::select::{Shortlist, shortlists};
use crate::tensor::Matrix;
use once_cell::sync::OnceCell;
use std::sync::Arc;

/// A logit for each token of the vocabulary.
#[derive(Debug)]
pub(crate) struct Row {
    len: usize,
    /// Where it begins among the rows of its pass.
    first: usize,
    of_pass: OfPass,
    shortlist: Option<Shortlist>,
}

/// The rows of a pass, which they share: a copy of each would be a host allocator's to keep, in every thread that made one.
#[derive(Debug)]
enum OfPass {
    Host(Arc<Vec<f32>>),
    /// With this row, read when it is needed.
    Card(Arc<Array>, OnceCell<Vec<f32>>),
}

impl Row {
    /// Logits that the host has.
    #[cfg(test)]
    pub(crate) fn whole(logits: Vec<f32>) -> Self {
        Row { len: logits.len(), first: 0, of_pass: OfPass::Host(Arc::new(logits)), shortlist: None }
    }

    /// The rows of `logits [rows, vocab]`.
    pub(crate) fn all_of(logits: Matrix) -> Result<Vec<Self>> {
        let (rows, len) = logits.shape();
        let row = |index, of_pass, shortlist| Row { len, first: index * len, of_pass, shortlist };
        if !logits.on_gpu() {
            let values = Arc::new(logits.into_values()?);
            return Ok((0..rows).map(|index| row(index, OfPass::Host(values.clone()), None)).collect());
        }
        let logits = Arc::new(logits.into_array()?);
        let on_card = |(index, shortlist)| row(index, OfPass::Card(logits.clone(), OnceCell::new()), Some(shortlist));
        Ok(shortlists(&logits, rows)?.into_iter().enumerate().map(on_card).collect())
    }

    /// The largest of them, where the host may do with those.
    pub(crate) fn shortlist(&self) -> Option<&Shortlist> {
        self.shortlist.as_ref()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Result<&[f32]> {
        match &self.of_pass {
            OfPass::Host(values) => Ok(&values[self.first..self.first + self.len]),
            OfPass::Card(logits, all) => all.get_or_try_init(|| self.read(logits, 0, self.len)).map(Vec::as_slice),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// That of a token, if the vocabulary has it.
    pub(crate) fn at(&self, id: u32) -> Result<Option<f32>> {
        let listed = self.shortlist.iter().flat_map(|shortlist| &shortlist.listed).find(|(listed, _)| *listed == id);
        match (listed, &self.of_pass) {
            (Some((_, logit)), _) => Ok(Some(*logit)),
            (None, _) if id as usize >= self.len => Ok(None),
            (None, OfPass::Card(logits, all)) if all.get().is_none() => Ok(self.read(logits, id as usize, 1)?.pop()),
            (None, _) => Ok(self.all()?.get(id as usize).copied()),
        }
    }

    fn read(&self, logits: &Array, first: usize, count: usize) -> Result<Vec<f32>> {
        let first = self.first + first;
        logits.part(first..first + count)?.download_f32()
    }
}

#[cfg(test)]
impl Row {
    /// A row as a card gives it, with the `count` largest listed.
    pub(crate) fn listing(logits: Vec<f32>, count: usize) -> Self {
        let mut listed: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        listed.retain(|(_, logit)| *logit > f32::NEG_INFINITY);
        listed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = logits.iter().map(|logit| f64::from(logit - max).exp()).sum::<f64>() as f32;
        let bound = if listed.len() <= count { f32::NEG_INFINITY } else { listed[count - 1].1 };
        listed.truncate(count);
        Row { shortlist: Some(Shortlist { listed, bound, max, sum }), ..Row::whole(logits) }
    }
}
