//! Which rows are trained on, which are held out, and in what order they come.

use crate::model::PackedBatch;
use crate::tokenize::Example;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Indices of the rows to train on and of those held out for validation, each ascending.
///
/// A positive share holds out at least one row as soon as there are five: fewer are all needed for training.
pub(super) fn split(rows: usize, validation_share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let wanted = (rows as f64 * validation_share).round() as usize;
    let held_out = if validation_share > 0.0 && rows >= 5 { wanted.clamp(1, rows / 2) } else { 0 };
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed_0001));
    let mut validation = order.split_off(rows - held_out);
    order.sort_unstable();
    validation.sort_unstable();
    (order, validation)
}

/// The rows to train on and to hold out in each of `folds` runs, each ascending: every row is held out exactly once.
pub(super) fn fold_rows(rows: usize, folds: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed_0001));
    let fold = |fold: usize| {
        let mut held_out: Vec<usize> = order.iter().copied().skip(fold).step_by(folds).collect();
        held_out.sort_unstable();
        ((0..rows).filter(|row| held_out.binary_search(row).is_err()).collect(), held_out)
    };
    (0..folds).map(fold).collect()
}

/// The row order of one epoch: a function of the seed and the epoch alone, so that a resumed run sees the same.
pub(super) fn epoch_order(rows: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
    let mut order = rows.to_vec();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ epoch.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    order
}

/// Packs rows end to end.
pub(super) fn pack<'a>(rows: impl IntoIterator<Item = &'a Example>) -> PackedBatch {
    let mut batch = PackedBatch::default();
    for row in rows {
        batch.push(&row.ids, |i| i >= row.prompt_len);
    }
    batch
}

/// Groups of neighbours that hold at most `max_rows` rows and, beyond the first, at most `max_tokens` tokens.
pub(super) fn groups(rows: &[usize], examples: &[Example], max_rows: usize, max_tokens: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for &row in rows {
        let len = examples[row].ids.len();
        match groups.last_mut() {
            Some(group) if group.len() < max_rows && tokens + len <= max_tokens => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_a_partition_that_the_seed_decides() {
        for (rows, share, held_out) in [(4, 0.5, 0), (5, 0.01, 1), (60, 0.1, 6), (100, 0.0, 0), (7, 0.5, 3)] {
            let (train, validation) = split(rows, share, 7);
            assert_eq!(validation.len(), held_out, "{rows} rows, share {share}");
            let mut all = [train.clone(), validation.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            assert_eq!((train, validation), split(rows, share, 7));
        }
        assert_ne!(split(60, 0.1, 7), split(60, 0.1, 8));
    }

    #[test]
    fn folds_hold_out_every_row_once() {
        for (rows, folds) in [(5, 5), (24, 5), (39, 2), (3, 2)] {
            let parts = fold_rows(rows, folds, 7);
            let mut held_out: Vec<usize> = parts.iter().flat_map(|(_, held_out)| held_out.clone()).collect();
            held_out.sort_unstable();
            assert_eq!(held_out, (0..rows).collect::<Vec<_>>());
            for (train, held_out) in &parts {
                assert_eq!(train.len() + held_out.len(), rows);
                assert!(!train.is_empty() && held_out.iter().all(|row| !train.contains(row)));
                assert!((rows / folds..=rows.div_ceil(folds)).contains(&held_out.len()));
            }
            assert_eq!(parts, fold_rows(rows, folds, 7));
        }
        assert_ne!(fold_rows(24, 5, 7), fold_rows(24, 5, 8));
    }

    #[test]
    fn epochs_are_different_permutations_that_repeat() {
        let rows: Vec<usize> = (0..20).collect();
        let (first, second) = (epoch_order(&rows, 1, 0), epoch_order(&rows, 1, 1));
        assert_ne!(first, second);
        assert_eq!(first, epoch_order(&rows, 1, 0));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }

    #[test]
    fn groups_respect_rows_and_tokens() {
        let examples: Vec<Example> =
            [5, 5, 5, 30, 2].iter().map(|&n| Example { ids: vec![0; n], prompt_len: 1 }).collect();
        assert_eq!(groups(&[0, 1, 2, 3, 4], &examples, 2, 100), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(groups(&[0, 1, 2, 3, 4], &examples, 9, 12), [vec![0, 1], vec![2], vec![3], vec![4]]);
    }
}
