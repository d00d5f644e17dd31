//! Isotonic regression: the rising step function nearest to what was seen, by pooling adjacent violators.

/// A run of neighbours with one mean.
#[derive(Debug, Clone, Copy)]
struct Block {
    weight: f64,
    /// Sum over its members.
    y: f64,
    /// The scores from which to which it reaches.
    x: [f64; 2],
}

impl Block {
    fn mean(&self) -> f64 {
        self.y / self.weight
    }

    fn join(&mut self, next: Block) {
        *self = Block { weight: self.weight + next.weight, y: self.y + next.y, x: [self.x[0], next.x[1]] };
    }
}

/// A rising curve of at most `most` steps through `points` of a score and whether it was right, by the ends of its steps. Each
/// counts half a right and half a wrong one more than it has, so that no share is 0 or 1.
pub(super) fn curve(points: &[(f64, bool)], most: usize) -> Vec<[f64; 2]> {
    let mut sorted: Vec<(f64, bool)> = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let one = |&(x, right): &(f64, bool)| Block { weight: 1.0, y: f64::from(u8::from(right)), x: [x, x] };
    let mut blocks = pooled(sorted.iter().map(one));
    while blocks.len() > most {
        join_lightest(&mut blocks);
    }
    let smoothed = blocks.into_iter().map(|block| {
        let share = (block.y + 0.5) / (block.weight + 1.0);
        Block { y: share * block.weight, ..block }
    });
    let ends = |block: Block| block.x.map(|x| [x, block.mean()]);
    let mut knots: Vec<[f64; 2]> = pooled(smoothed).into_iter().flat_map(ends).collect();
    knots.dedup();
    knots
}

fn pooled(blocks: impl Iterator<Item = Block>) -> Vec<Block> {
    let mut kept: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(last) = kept.pop_if(|last| last.mean() >= block.mean()) {
            let mut joined = last;
            joined.join(block);
            block = joined;
        }
        kept.push(block);
    }
    kept
}

/// Joins the block of the least weight with the one after it, or before it.
fn join_lightest(blocks: &mut Vec<Block>) {
    let lightest = (0..blocks.len()).min_by(|&a, &b| blocks[a].weight.total_cmp(&blocks[b].weight)).unwrap_or(0);
    let first = lightest.min(blocks.len().saturating_sub(2));
    let next = blocks.remove(first + 1);
    blocks[first].join(next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_and_has_the_means_of_what_it_pools() {
        let points: Vec<(f64, bool)> = (0..40).map(|at| (f64::from(at), at % 4 == 0 || at > 25)).collect();
        for most in [64, 3, 1] {
            let curve = curve(&points, most);
            assert!(!curve.is_empty() && curve.len() <= 2 * most, "{curve:?}");
            assert!(curve.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]), "{curve:?}");
            assert!(curve.iter().all(|[_, y]| 0.0 < *y && *y < 1.0));
        }
        assert_eq!(curve(&[(0.0, true), (1.0, false)], 64), [[0.0, 0.5], [1.0, 0.5]]);
        assert_eq!(curve(&[(0.0, false), (1.0, true)], 64), [[0.0, 0.25], [1.0, 0.75]]);
        assert!(curve(&[], 64).is_empty());
    }
}
