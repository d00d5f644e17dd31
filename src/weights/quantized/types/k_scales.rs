//! The scales and mins of the K-quants that have mins: of eight times 32 inputs, in six bits each.

use super::super::tile::OUTPUTS;
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use crate::weights::eight_bits::{GROUP, Span};
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Inputs of a block.
pub(super) const BLOCK: usize = 256;
/// Inputs that share a scale and a min.
pub(super) const SUB: usize = 32;

/// Of the outputs of a tile.
#[derive(Debug, Clone)]
#[repr(C)]
pub(super) struct KScales {
    pub(super) scale: [f16; OUTPUTS],
    pub(super) min_scale: [f16; OUTPUTS],
    /// `[pair of subs][output]`
    scales: [[[u8; 2]; OUTPUTS]; 4],
    mins: [[[u8; 2]; OUTPUTS]; 4],
}

impl KScales {
    /// From the first 16 bytes of a block.
    pub(super) fn put(&mut self, lane: usize, block: &[u8]) {
        self.scale[lane] = f16::from_le_bytes([block[0], block[1]]);
        self.min_scale[lane] = f16::from_le_bytes([block[2], block[3]]);
        let packed = &block[4..16];
        for sub in 0..8 {
            let (scale, min) = match sub {
                0..4 => (packed[sub] & 63, packed[sub + 4] & 63),
                _ => (packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4, packed[sub + 4] >> 4 | packed[sub] >> 6 << 4),
            };
            self.scales[sub / 2][lane][sub % 2] = scale;
            self.mins[sub / 2][lane][sub % 2] = min;
        }
    }

    pub(super) fn sub_scale(&self, lane: usize, sub: usize) -> u8 {
        self.scales[sub / 2][lane][sub % 2]
    }

    pub(super) fn sub_min(&self, lane: usize, sub: usize) -> u8 {
        self.mins[sub / 2][lane][sub % 2]
    }

    /// The values of codes of one output: `d·s·q − dmin·m`.
    pub(super) fn dequantize(&self, lane: usize, out: &mut [f32], code: impl Fn(usize) -> i32) {
        let (d, dmin) = (self.scale[lane].to_f32(), self.min_scale[lane].to_f32());
        for (sub, out) in out.chunks_mut(SUB).enumerate() {
            let (scale, min) = (d * f32::from(self.sub_scale(lane, sub)), dmin * f32::from(self.sub_min(lane, sub)));
            for (i, out) in out.iter_mut().enumerate() {
                *out = scale * code(sub * SUB + i) as f32 - min;
            }
        }
    }

    pub(super) fn value(&self, lane: usize, input: usize, code: i32) -> f32 {
        let (d, dmin, sub) = (self.scale[lane].to_f32(), self.min_scale[lane].to_f32(), input / SUB);
        d * f32::from(self.sub_scale(lane, sub)) * code as f32 - dmin * f32::from(self.sub_min(lane, sub))
    }

    pub(super) fn integer(&self, lane: usize, input: usize, code: i32) -> i32 {
        i32::from(self.sub_scale(lane, input / SUB)) * code
    }

    pub(super) fn mins(&self, lane: usize, out: &mut [i32]) {
        out.iter_mut().enumerate().for_each(|(sub, out)| *out = i32::from(self.sub_min(lane, sub)));
    }

    /// `Σ scale · code · x̂`; 16-bit sums hold `PER` groups of codes, `codes(sub, group)`.
    ///
    /// # Safety
    /// `x` has `M` rows of a block.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) unsafe fn dot_avx2<const M: usize, const PER: usize>(
        &self,
        eighth: usize,
        x: &Span,
        codes: impl Fn(usize, usize) -> __m256i,
    ) -> [__m256i; M] {
        let mut sums = [_mm256_setzero_si256(); M];
        for (pair, scales) in self.scales.iter().enumerate() {
            let scales = avx2::pairs_of(scales, eighth, false);
            let scales = [avx2::twice(scales, false), avx2::twice(scales, true)];
            let subs = [2 * pair, 2 * pair + 1];
            // SAFETY: the caller's.
            unsafe {
                if M <= avx2::FEW {
                    let codes = |group: usize| [codes(subs[0], group), codes(subs[1], group)];
                    avx2::add_dots::<M, 2, 8, PER>(&mut sums, codes, scales, x, [subs[0] * 8, subs[1] * 8]);
                } else {
                    for (sub, scale) in subs.into_iter().zip(scales) {
                        avx2::add_dots::<M, 1, 8, PER>(&mut sums, |group| [codes(sub, group)], [scale], x, [sub * 8]);
                    }
                }
            }
        }
        sums
    }

    /// `Σ min · Σ x̂`
    ///
    /// # Safety
    /// `x` has `M` rows of a block.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) unsafe fn mins_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        let mut sums = [_mm256_setzero_si256(); M];
        for (pair, mins) in self.mins.iter().enumerate() {
            // SAFETY: the caller's.
            avx2::add_pair(&mut sums, avx2::pairs_of(mins, eighth, false), |m| unsafe { x.sums_of_32::<M>(m, pair) });
        }
        sums
    }

    /// The scale of a sub of sixteen outputs, twice in 32 bits.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    pub(super) fn integer_scales(&self, half: usize, sub: usize) -> __m512i {
        vnni::twice(vnni::pairs_of(&self.scales[sub / 2], half, false), !sub.is_multiple_of(2))
    }

    /// `Σ scale · code · x̂`, of `codes(group)`.
    ///
    /// # Safety
    /// `x` has `M` rows of a block.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    pub(super) unsafe fn dot_vnni<const M: usize>(
        &self,
        half: usize,
        x: &Span,
        codes: impl Fn(usize) -> __m512i,
    ) -> [__m512i; M] {
        let mut sums = [_mm512_setzero_si512(); M];
        for (pair, scales) in self.scales.iter().enumerate() {
            let scales = vnni::pairs_of(scales, half, false);
            for second in [false, true] {
                let first = (2 * pair + usize::from(second)) * (SUB / GROUP);
                let codes = |group: usize| codes(first + group);
                // SAFETY: the caller's.
                let dots = unsafe { vnni::dot::<M, 8>([_mm512_setzero_si512(); M], codes, x, first) };
                vnni::add_scaled(&mut sums, dots, vnni::of_pairs(scales, second));
            }
        }
        sums
    }

    /// `Σ min · Σ x̂`
    ///
    /// # Safety
    /// `x` has `M` rows of a block.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    pub(super) unsafe fn mins_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        let mut sums = [_mm512_setzero_si512(); M];
        for (pair, mins) in self.mins.iter().enumerate() {
            // SAFETY: the caller's.
            vnni::add_pair(&mut sums, vnni::pairs_of(mins, half, false), |m| unsafe { x.sums_of_32::<M>(m, pair) });
        }
        sums
    }
}
