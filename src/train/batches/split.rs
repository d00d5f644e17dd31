//! Which rows are trained on, and which are held out for good.

use super::strata::{by_group, sides};
use crate::dataset::Strata;

/// Indices of the rows to train on and of those held out for validation, each ascending.
///
/// A positive share holds out at least one row as soon as there are five: fewer are all needed for training. Each group gives
/// its part, and rows that ask the same go together. Where the file says which rows are held out, those are.
pub(crate) fn split(strata: &Strata, validation_share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let rows = strata.groups.len();
    let parted = |is_held_out: &[bool]| (0..rows).partition(|row| !is_held_out[*row]);
    if let Some(held_out) = &strata.held_out {
        return parted(held_out);
    }
    let share = (rows as f64 * validation_share).round() as usize;
    let held_out = if validation_share > 0.0 && rows >= 5 { share.clamp(1, rows / 2) } else { 0 };
    let mut is_held_out = vec![false; rows];
    match by_group(strata, seed) {
        (order, false) => order[rows - held_out..].iter().for_each(|row| is_held_out[*row] = true),
        // Evenly spaced in an order by groups, each group gives its part.
        (order, true) => (0..held_out).for_each(|at| is_held_out[order[(2 * at + 1) * rows / (2 * held_out)]] = true),
    }
    parted(&sides(strata, &is_held_out, held_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_a_partition_that_the_seed_decides() {
        for (rows, share, held_out) in [(4, 0.5, 0), (5, 0.01, 1), (60, 0.1, 6), (100, 0.0, 0), (7, 0.5, 3)] {
            let (train, validation) = split(&Strata::none(rows), share, 7);
            assert_eq!(validation.len(), held_out, "{rows} rows, share {share}");
            let mut all = [train.clone(), validation.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            assert_eq!((train, validation), split(&Strata::none(rows), share, 7));
        }
        let sixty = Strata::none(60);
        assert_ne!(split(&sixty, 0.1, 7), split(&sixty, 0.1, 8));
    }

    #[test]
    fn each_group_gives_its_part() {
        let groups: Vec<usize> = (0..100).map(|row| usize::from(row % 10 < 3)).collect();
        for seed in 0..20 {
            let (_, validation) = split(&Strata { groups: groups.clone(), ..Strata::none(100) }, 0.2, seed);
            let of_group = |group| validation.iter().filter(|row| groups[**row] == group).count();
            assert_eq!((of_group(0), of_group(1)), (14, 6), "{seed}");
        }
    }

    #[test]
    fn rows_that_ask_the_same_go_together() {
        let first_alike: Vec<usize> = (0..60).map(|row| row / 3 * 3).collect();
        for seed in 0..20 {
            let (train, validation) =
                split(&Strata { first_alike: first_alike.clone(), ..Strata::none(60) }, 0.2, seed);
            assert!(!validation.is_empty() && train.len() >= 30, "{seed}: {validation:?}");
            assert!(validation.iter().all(|row| validation.contains(&first_alike[*row])), "{seed}: {validation:?}");
            assert!(train.iter().all(|row| train.contains(&first_alike[*row])), "{seed}: {train:?}");
        }
        // Of rows that all ask the same, some must be trained on.
        let (train, validation) = split(&Strata { first_alike: vec![0; 60], ..Strata::none(60) }, 0.1, 7);
        assert_eq!((train.len(), validation.len()), (54, 6));
    }

    #[test]
    fn the_file_decides_where_it_says_so() {
        let held_out = (0..9).map(|row| row % 4 == 1).collect();
        let strata = Strata { held_out: Some(held_out), ..Strata::none(9) };
        assert_eq!(split(&strata, 0.0, 7), (vec![0, 2, 3, 4, 6, 7, 8], vec![1, 5]));
    }
}
