//! Folds: parts of the rows that are held out in turn.

use crate::train::options::TrainOptions;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// With fewer rows, folds are the default.
pub(crate) const FEW_ROWS: usize = 100;
/// With fewer rows, nothing is held out.
const TOO_FEW_ROWS: usize = 5;
const DEFAULT_FOLDS: usize = 5;
/// Default of `min_steps`: with a handful of rows, epochs alone would end before the loss has its minimum.
pub(crate) const MIN_STEPS: u64 = 60;

/// How many folds to train; 0 if rows are held out for good or not at all.
pub(crate) fn count_folds(rows: usize, options: &TrainOptions) -> usize {
    let folds = match options.validation_folds {
        _ if options.validation_share == 0.0 => 0,
        Some(folds) => folds.min(rows),
        None if (TOO_FEW_ROWS..FEW_ROWS).contains(&rows) => DEFAULT_FOLDS,
        None => 0,
    };
    if folds < 2 { 0 } else { folds }
}

/// The rows to train on and to hold out in each of `folds` runs, each ascending: every row is held out exactly once.
pub(crate) fn fold_rows(rows: usize, folds: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed_0001));
    let fold = |fold: usize| {
        let mut held_out: Vec<usize> = order.iter().copied().skip(fold).step_by(folds).collect();
        held_out.sort_unstable();
        ((0..rows).filter(|row| held_out.binary_search(row).is_err()).collect(), held_out)
    };
    (0..folds).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn folds_are_for_few_rows_that_are_to_be_validated() {
        let auto = TrainOptions::default();
        let never = TrainOptions { validation_folds: Some(0), ..Default::default() };
        let always = TrainOptions { validation_folds: Some(3), ..Default::default() };
        let unvalidated = TrainOptions { validation_share: 0.0, ..always.clone() };
        for (options, expected) in [
            (auto, [0, 0, 5, 5, 0, 0]),
            (never, [0, 0, 0, 0, 0, 0]),
            (always, [0, 3, 3, 3, 3, 3]),
            (unvalidated, [0, 0, 0, 0, 0, 0]),
        ] {
            let found = [1, 4, 5, 99, 100, 1000].map(|rows| count_folds(rows, &options));
            assert_eq!(found, expected, "{:?}", options.validation_folds);
        }
        assert_eq!(count_folds(2, &TrainOptions { validation_folds: Some(9), ..Default::default() }), 2);
    }
}
