//! Folds: parts of the rows that are held out in turn.

use super::strata::{by_group, sides};
use crate::dataset::Strata;
use crate::train::options::TrainOptions;

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

/// The rows to train on and to hold out in each of `folds` runs, each ascending: every row is held out exactly once. Each fold
/// has its part of every group, and rows that ask the same are in one.
pub(crate) fn fold_rows(strata: &Strata, folds: usize, seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
    let rows = strata.groups.len();
    let mut fold_of = vec![0; rows];
    by_group(strata, seed).0.iter().enumerate().for_each(|(at, row)| fold_of[*row] = at % folds);
    let fold_of = sides(strata, &fold_of, rows / folds);
    (0..folds).map(|fold| (0..rows).partition(|row| fold_of[*row] != fold)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_hold_out_every_row_once() {
        for (rows, folds) in [(5, 5), (24, 5), (39, 2), (3, 2)] {
            let parts = fold_rows(&Strata::none(rows), folds, 7);
            let mut held_out: Vec<usize> = parts.iter().flat_map(|(_, held_out)| held_out.clone()).collect();
            held_out.sort_unstable();
            assert_eq!(held_out, (0..rows).collect::<Vec<_>>());
            for (train, held_out) in &parts {
                assert_eq!(train.len() + held_out.len(), rows);
                assert!(!train.is_empty() && held_out.iter().all(|row| !train.contains(row)));
                assert!((rows / folds..=rows.div_ceil(folds)).contains(&held_out.len()));
            }
            assert_eq!(parts, fold_rows(&Strata::none(rows), folds, 7));
        }
        assert_ne!(fold_rows(&Strata::none(24), 5, 7), fold_rows(&Strata::none(24), 5, 8));
    }

    #[test]
    fn folds_part_groups_evenly_and_rows_that_ask_the_same_never() {
        let strata = Strata { groups: (0..30).map(|row| row % 3).collect(), ..Strata::none(30) };
        for (_, held_out) in fold_rows(&strata, 5, 7) {
            assert_eq!(
                [0, 1, 2].map(|group| held_out.iter().filter(|row| strata.groups[**row] == group).count()),
                [2; 3]
            );
        }
        let first_alike: Vec<usize> = (0..30).map(|row| row / 2 * 2).collect();
        let strata = Strata { first_alike: first_alike.clone(), ..Strata::none(30) };
        for (_, held_out) in fold_rows(&strata, 5, 7) {
            assert!(held_out.iter().all(|row| held_out.contains(&first_alike[*row])), "{held_out:?}");
        }
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
