//! The products in plain loops, for every CPU: what the others are tested against.

use super::tile::{OUTPUTS, Tile};
use crate::weights::eight_bits::Activations;

/// `rows` rows from `first` on times a row of tiles.
pub(super) fn product<T: Tile>(tiles: &[T], x: &Activations, first: usize, out: &mut [[f32; OUTPUTS]]) {
    out.fill([0.0; OUTPUTS]);
    let (mut q, mut mins) = (vec![0i32; T::SPAN], vec![0i32; T::SPAN / T::SUB]);
    for (index, tile) in tiles.iter().enumerate() {
        for lane in 0..OUTPUTS {
            q.iter_mut().enumerate().for_each(|(input, q)| *q = tile.integer(lane, input));
            tile.mins(lane, &mut mins);
            let (scale, min_scale) = (tile.scales()[lane].to_f32(), tile.min_scales()[lane].to_f32());
            for (row, out) in out.iter_mut().enumerate() {
                let d = x.scale(first + row, index);
                let x: Vec<i32> = x.integers(first + row, index).map(i32::from).collect();
                let dot: i32 = q.iter().zip(&x).map(|(q, x)| q * x).sum();
                out[lane] = (dot as f32).mul_add(d * scale, out[lane]);
                if T::HAS_MINS {
                    let sums = x.chunks_exact(T::SUB).map(|x| x.iter().sum::<i32>());
                    let min: i32 = mins.iter().zip(sums).map(|(min, sum)| min * sum).sum();
                    out[lane] = (-min as f32).mul_add(d * min_scale, out[lane]);
                }
            }
        }
    }
}
