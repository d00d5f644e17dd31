//! The tokens of one pass: rows of training data, a chunk of a prompt, or the next token of many sequences.

use super::kv_pool::BlockTable;
use crate::ops::attention::Span;
use std::ops::Range;

/// Sequences laid end to end; attention never crosses from one to the next, so packing changes no number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    tokens: Vec<u32>,
    sequences: Vec<Sequence>,
    /// Rows whose hidden states are wanted, ascending.
    outputs: Vec<u32>,
}

/// One sequence of a batch.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    pub(super) rows: Range<usize>,
    /// Of the first row.
    pub(super) position: usize,
    pub(super) keys: Keys,
    /// Which of the adapter stacks of the pass it runs through.
    pub(super) stack: usize,
    /// Tokens that it may come to, with those before and after this batch.
    pub(super) length: usize,
}

/// Where a sequence's keys and values are.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// In this batch alone.
    InBatch,
    /// In the rows of a pool, those of this batch at the end.
    Pool(Vec<Range<usize>>),
}

/// Neighbouring rows that run through one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) rows: Range<usize>,
    pub(super) stack: usize,
}

impl Batch {
    /// Adds a sequence that nothing goes before.
    pub(crate) fn push_document(&mut self, ids: &[u32], outputs: impl IntoIterator<Item = usize>) {
        self.push(ids, 0, ids.len(), Keys::InBatch, 0, outputs);
    }

    /// Adds the tokens that follow those a pool holds of a sequence, which has room for them there.
    pub(crate) fn push_tokens(
        &mut self,
        ids: &[u32],
        table: &BlockTable,
        stack: usize,
        outputs: impl IntoIterator<Item = usize>,
    ) {
        let length = table.reach().max(table.len() + ids.len());
        self.push(ids, table.len(), length, Keys::Pool(table.rows(table.len() + ids.len())), stack, outputs);
    }

    /// `outputs` are counted from the first of `ids`.
    fn push(
        &mut self,
        ids: &[u32],
        position: usize,
        length: usize,
        keys: Keys,
        stack: usize,
        outputs: impl IntoIterator<Item = usize>,
    ) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(ids);
        self.sequences.push(Sequence { rows: start..self.tokens.len(), position, keys, stack, length });
        self.outputs.extend(outputs.into_iter().map(|index| (start + index) as u32));
    }

    /// The token ids.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// By row: its position, and the length that its sequence may come to.
    pub(super) fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        self.sequences
            .iter()
            .flat_map(|sequence| (0..sequence.rows.len()).map(|index| (sequence.position + index, sequence.length)))
    }

    pub(super) fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Keys of the longest sequence.
    pub(super) fn longest(&self) -> usize {
        self.spans().iter().map(Span::num_keys).max().unwrap_or(0)
    }

    /// Tokens of the sequence that has most of them here.
    pub(super) fn most_rows(&self) -> usize {
        self.sequences.iter().map(|sequence| sequence.rows.len()).max().unwrap_or(0)
    }

    /// What attention reads.
    pub(super) fn spans(&self) -> Vec<Span> {
        let span = |sequence: &Sequence| Span {
            queries: sequence.rows.clone(),
            keys: match &sequence.keys {
                Keys::InBatch => vec![sequence.rows.clone()],
                Keys::Pool(rows) => rows.clone(),
            },
        };
        self.sequences.iter().map(span).collect()
    }

    /// Where the keys and values of this batch go: rows of it, and the row of the pool that the first of them takes.
    pub(super) fn placements(&self) -> Vec<(Range<usize>, usize)> {
        let mut placements = Vec::new();
        for sequence in &self.sequences {
            let Keys::Pool(runs) = &sequence.keys else { continue };
            let mut end = sequence.rows.end;
            for run in runs.iter().rev() {
                let count = run.len().min(end - sequence.rows.start);
                placements.push((end - count..end, run.end - count));
                end -= count;
            }
        }
        placements.retain(|(rows, _)| !rows.is_empty());
        placements
    }

    /// Neighbouring rows by stack.
    pub(super) fn runs(&self) -> Vec<Run> {
        joined(self.sequences.iter().map(|sequence| Run { rows: sequence.rows.clone(), stack: sequence.stack }))
    }

    /// The same of the outputs, counted among them.
    pub(super) fn output_runs(&self) -> Vec<Run> {
        let among = |row: usize| self.outputs.partition_point(|output| (*output as usize) < row);
        joined(
            self.sequences.iter().map(|sequence| Run {
                rows: among(sequence.rows.start)..among(sequence.rows.end),
                stack: sequence.stack,
            }),
        )
    }
}

fn joined(runs: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs.filter(|run| !run.rows.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.stack == run.stack => last.rows.end = run.rows.end,
            _ => joined.push(run),
        }
    }
    joined
}

/// Rows of training data with what each position is to predict.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedBatch {
    pub(super) batch: Batch,
    /// The token to be predicted at each output.
    pub(super) targets: Vec<u32>,
}

impl PackedBatch {
    /// Adds a row; `trained` says by position which of its tokens have a loss.
    pub(crate) fn push(&mut self, ids: &[u32], trained: impl Fn(usize) -> bool) {
        // The first token of a row has nothing before it that could predict it.
        let trained: Vec<usize> = (1..ids.len()).filter(|position| trained(*position)).collect();
        self.targets.extend(trained.iter().map(|position| ids[*position]));
        self.batch.push_document(ids, trained.iter().map(|position| position - 1));
    }

    /// Tokens that run through the decoder.
    pub(crate) fn num_tokens(&self) -> usize {
        self.batch.tokens.len()
    }

    /// Tokens that have a loss.
    pub(crate) fn num_trained(&self) -> usize {
        self.targets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_sequence_their_place_in_the_pool_and_their_stack() {
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3], 62, 70, Keys::Pool(vec![128..192, 0..1]), 1, [2]);
        batch.push(&[4], 0, 1, Keys::Pool(vec![64..65]), 1, [0]);
        batch.push(&[5, 6], 0, 2, Keys::InBatch, 0, []);
        let positions: Vec<_> = batch.positions().collect();
        assert_eq!(positions, [(62, 70), (63, 70), (64, 70), (0, 1), (0, 2), (1, 2)]);
        assert_eq!(batch.placements(), [(2..3, 0), (0..2, 190), (3..4, 64)]);
        assert_eq!(batch.runs(), [Run { rows: 0..4, stack: 1 }, Run { rows: 4..6, stack: 0 }]);
        assert_eq!(batch.output_runs(), [Run { rows: 0..2, stack: 1 }]);
        assert_eq!((batch.outputs(), batch.longest()), (&[2, 3][..], 65));
        assert_eq!(batch.spans()[2], Span { queries: 4..6, keys: vec![4..6] });
    }

    #[test]
    fn a_row_trains_what_its_tokens_can_predict() {
        let mut batch = PackedBatch::default();
        batch.push(&[7, 8, 9], |_| true);
        batch.push(&[5, 6, 7], |position| position == 2);
        assert_eq!((batch.batch.outputs(), &*batch.targets), (&[0, 1, 4][..], &[8, 9, 7][..]));
        assert_eq!((batch.num_tokens(), batch.num_trained()), (6, 3));
    }
}
