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
    /// Read when they are needed.
    all: OnceCell<Vec<f32>>,
    on_card: Option<OnCard>,
    shortlist: Option<Shortlist>,
}

/// Where a row lies among those of its pass.
#[derive(Debug)]
struct OnCard {
    logits: Arc<Array>,
    first: usize,
}

impl Row {
    /// Logits that the host has.
    pub(crate) fn whole(logits: Vec<f32>) -> Self {
        Row { len: logits.len(), all: OnceCell::with_value(logits), on_card: None, shortlist: None }
    }

    /// The rows of `logits [rows, vocab]`.
    pub(crate) fn all_of(logits: Matrix) -> Result<Vec<Self>> {
        let (rows, vocab) = logits.shape();
        if !logits.on_gpu() {
            return Ok(logits.into_values()?.chunks_exact(vocab).map(|row| Row::whole(row.to_vec())).collect());
        }
        let logits = Arc::new(logits.into_array()?);
        let row = |(index, shortlist)| Row {
            len: vocab,
            all: OnceCell::new(),
            on_card: Some(OnCard { logits: logits.clone(), first: index * vocab }),
            shortlist: Some(shortlist),
        };
        Ok(shortlists(&logits, rows)?.into_iter().enumerate().map(row).collect())
    }

    /// The largest of them, where the host may do with those.
    pub(crate) fn shortlist(&self) -> Option<&Shortlist> {
        self.shortlist.as_ref()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Result<&[f32]> {
        self.all.get_or_try_init(|| self.read(0, self.len)).map(Vec::as_slice)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// That of a token, if the vocabulary has it.
    pub(crate) fn at(&self, id: u32) -> Result<Option<f32>> {
        let listed = self.shortlist.iter().flat_map(|shortlist| &shortlist.listed).find(|(listed, _)| *listed == id);
        match (listed, self.all.get()) {
            (Some((_, logit)), _) => Ok(Some(*logit)),
            (None, Some(all)) => Ok(all.get(id as usize).copied()),
            (None, None) if (id as usize) < self.len => Ok(self.read(id as usize, 1)?.pop()),
            (None, None) => Ok(None),
        }
    }

    fn read(&self, first: usize, count: usize) -> Result<Vec<f32>> {
        let Some(OnCard { logits, first: of_row }) = &self.on_card else { return Ok(Vec::new()) };
        logits.part(of_row + first..of_row + first + count)?.download_f32()
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
