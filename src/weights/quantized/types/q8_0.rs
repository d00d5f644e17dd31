//! GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.

use super::super::matrix::weight_type;
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
use crate::weights::{OnCard, WeightType};
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.
pub(crate) static Q8_0: WeightType = WeightType {
    // The last block of a row may be short.
    block: 1,
    ..weight_type::<Q8Tile>(
        "q8_0",
        "GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.",
        "q8_0",
        GgmlDType::Q8_0,
        OnCard { planes: &[2..34, 0..2], piece: 16, half_order: false, staged: None },
    )
};

const BLOCK: usize = 32;

#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q8Tile {
    /// `[half][input / 4][output][input % 4]`, 128 more than the integers.
    q: [[Line; BLOCK / GROUP]; 2],
    scale: [f16; OUTPUTS],
}

impl Q8Tile {
    #[inline(always)]
    fn set(&mut self, lane: usize, scale: f16, q: &[u8; BLOCK]) {
        self.scale[lane] = scale;
        for (line, four) in self.q[lane / HALF].iter_mut().zip(q.as_chunks::<GROUP>().0) {
            line[lane % HALF] = four.map(|q| q ^ 128);
        }
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q8Tile {
    const SPAN: usize = BLOCK;
    const SUB: usize = BLOCK;
    const ZERO: u8 = 128;
    const HAS_MINS: bool = false;
    const INTEGER_BACKWARD: bool = true;
    const LIES_IN_TILES: bool = true;
    const SCALES: &'static [usize] = &[0];
    const TYPE: &'static WeightType = &Q8_0;

    #[inline(always)]
    fn quantize(&mut self, lane: usize, values: &[f32]) {
        let mut block = [0.0f32; BLOCK];
        block[..values.len()].copy_from_slice(values);
        let largest = block.iter().fold(0.0f32, |max, v| if v.abs() > max { v.abs() } else { max });
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        self.set(lane, f16::from_f32(scale), &block.map(|value| (value * inverse).round() as i8 as u8));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        self.set(lane, f16::from_le_bytes([block[0], block[1]]), &std::array::from_fn(|i| block[2 + i]));
    }

    fn integer(&self, lane: usize, input: usize) -> i32 {
        i32::from(self.q[lane / HALF][input / GROUP][lane % HALF][input % GROUP]) - 128
    }

    fn scales(&self) -> &[f16; OUTPUTS] {
        &self.scale
    }

    /// The sign goes to the activations: magnitudes are unsigned. Two products fill 16 bits.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn dot_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        let (ones, offset) = (_mm256_set1_epi16(1), _mm256_set1_epi8(i8::MIN));
        let (half, part) = avx2::place(eighth);
        let mut sums = [_mm256_setzero_si256(); M];
        for (group, line) in self.q[half].iter().enumerate() {
            let q = _mm256_xor_si256(avx2::stream(line, part), offset);
            let magnitudes = _mm256_abs_epi8(q);
            for (m, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the caller's.
                let x = _mm256_sign_epi8(_mm256_set1_epi32(unsafe { x.four::<M>(m, group) }), q);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_maddubs_epi16(magnitudes, x), ones));
            }
        }
        sums
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn dot_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        // SAFETY: the caller's.
        unsafe { vnni::dot_around_zero::<Self, M, 0>(self, half, x) }
    }

    #[cfg(target_arch = "x86_64")]
    fn lines(&self, half: usize) -> &[Line] {
        &self.q[half]
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn codes_vnni(&self, half: usize, group: usize) -> __m512i {
        vnni::stream(&self.q[half][group])
    }
}
