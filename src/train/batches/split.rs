//! Which rows are trained on, and which are held out for good.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Indices of the rows to train on and of those held out for validation, each ascending.
///
/// A positive share holds out at least one row as soon as there are five: fewer are all needed for training.
pub(crate) fn split(rows: usize, validation_share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let share = (rows as f64 * validation_share).round() as usize;
    let held_out = if validation_share > 0.0 && rows >= 5 { share.clamp(1, rows / 2) } else { 0 };
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed_0001));
    let mut validation = order.split_off(rows - held_out);
    order.sort_unstable();
    validation.sort_unstable();
    (order, validation)
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
}
