//! Rows in an order in which groups stand together, and rows that must not be parted.

use crate::dataset::Strata;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::HashMap;

/// All rows, shuffled and then by group, and whether there is more than one group.
pub(super) fn by_group(strata: &Strata, seed: u64) -> (Vec<usize>, bool) {
    let mut order: Vec<usize> = (0..strata.groups.len()).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed_0001));
    order.sort_by_key(|row| strata.groups[*row]);
    (order, strata.groups.iter().any(|group| *group > 0))
}

/// The side of each row once rows that ask the same are on that of the first of them: a model that has seen the one knows the
/// other. Those that are more than `most` are parted, or they would fill a side.
pub(super) fn sides<T: Copy>(strata: &Strata, side: &[T], most: usize) -> Vec<T> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    strata.first_alike.iter().for_each(|first| *counts.entry(*first).or_default() += 1);
    let first = |(row, first): (usize, &usize)| if counts[first] <= most { *first } else { row };
    strata.first_alike.iter().enumerate().map(first).map(|row| side[row]).collect()
}
