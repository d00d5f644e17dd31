//! 32 outputs by 32 inputs of a weight in Q8_0, interleaved as `vpdpbusd` wants them: four inputs of sixteen outputs to a
//! vector.

use half::f16;

/// Weights that share a scale.
pub(super) const BLOCK: usize = 32;
/// Outputs of a tile: two vectors of sixteen lanes.
pub(super) const TILE: usize = 32;

/// 32 outputs by 32 inputs; missing ones are zero.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Tile {
    /// `[input / 4][output][input % 4]`
    pub(super) q: [[[i8; 4]; TILE]; BLOCK / 4],
    /// Scale of each output's block.
    pub(super) scale: [f16; TILE],
    /// Sum of each output's integers: activations are offset by 128 to be unsigned, which this takes back.
    pub(super) sum: [i16; TILE],
}

/// A tile without weights.
pub(super) const ZERO: Tile = Tile { q: [[[0; 4]; TILE]; BLOCK / 4], scale: [f16::ZERO; TILE], sum: [0; TILE] };

impl Tile {
    /// Quantizes a block of one output.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, values: &[f32; BLOCK]) {
        let largest = values.iter().fold(0.0f32, |max, v| if v.abs() > max { v.abs() } else { max });
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let q = values.map(|value| (value * inverse).round() as i8);
        self.put(lane, f16::from_f32(scale), &q);
    }

    /// Takes a block of one output as it is.
    #[inline(always)]
    pub(super) fn put(&mut self, lane: usize, scale: f16, q: &[i8; BLOCK]) {
        self.scale[lane] = scale;
        self.sum[lane] = q.iter().map(|q| i16::from(*q)).sum();
        for (group, four) in self.q.iter_mut().zip(q.as_chunks::<4>().0) {
            group[lane] = *four;
        }
    }

    /// The values of a block of one output.
    pub(super) fn get(&self, lane: usize, out: &mut [f32]) {
        let scale = self.scale[lane].to_f32();
        for (i, value) in out.iter_mut().enumerate() {
            *value = f32::from(self.q[i / 4][lane][i % 4]) * scale;
        }
    }
}
