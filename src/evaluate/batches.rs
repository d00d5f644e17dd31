//! Rows laid end to end, as the decoder takes them, and which of them share a forward pass.

use crate::model::{BatchSize, PackedBatch};
use crate::tokenize::Example;

/// Tokens of one forward pass: enough to keep all cores busy, little enough to hold.
const TOKENS: usize = 2048;

/// Packs rows end to end.
pub(crate) fn pack<'a>(rows: impl IntoIterator<Item = &'a Example>) -> PackedBatch {
    let mut batch = PackedBatch::default();
    for row in rows {
        batch.push(&row.ids, |i| i >= row.prompt_len);
    }
    batch
}

/// Groups of neighbours that hold, beyond the first row, at most `max_tokens` tokens.
fn groups(rows: &[usize], examples: &[Example], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for &row in rows {
        let len = examples[row].ids.len();
        match groups.last_mut() {
            Some(group) if tokens + len <= max_tokens => {
                group.push(row);
                tokens += len;
            }
            _ => {
                groups.push(vec![row]);
                tokens = len;
            }
        }
    }
    groups
}

/// The size of rows packed into one pass.
pub(crate) fn size<'a>(rows: impl IntoIterator<Item = &'a Example>) -> BatchSize {
    let mut size = BatchSize::default();
    rows.into_iter().for_each(|row| size.add_row(row.ids.len(), row.prompt_len));
    size
}

/// The forward passes in which rows are evaluated.
pub(crate) fn validation_batches(rows: &[usize], examples: &[Example]) -> Vec<Vec<usize>> {
    groups(rows, examples, TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_respect_their_tokens() {
        let examples: Vec<Example> =
            [5, 5, 5, 30, 2].iter().map(|&n| Example { ids: vec![0; n], prompt_len: 1 }).collect();
        assert_eq!(groups(&[0, 1, 2, 3, 4], &examples, 100), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(groups(&[0, 1, 2, 3, 4], &examples, 12), [vec![0, 1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn a_size_is_that_of_the_packed_batch() {
        let rows: Vec<Example> = (0..7).map(|i| Example { ids: vec![1; 4 + i % 5], prompt_len: 1 + i % 3 }).collect();
        let (batch, size) = (pack(&rows), size(&rows));
        assert_eq!((size.tokens, size.trained), (batch.num_tokens(), batch.num_trained()));
    }
}
