//! GGML's Q4_0: blocks of 32 weights in 4 bits around 8, with a scale.

use super::super::matrix::{self, weight_type};
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
use crate::weights::{OnCard, WeightType};
use candle_core::quantized::k_quants::BlockQ4_0;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// GGML's Q4_0.
pub(crate) static Q4_0: WeightType = weight_type::<Q4Tile>(
    "q4_0",
    "GGML's Q4_0: blocks of 32 weights in 4 bits with a scale; the output head in Q8_0.",
    "q8_0",
    GgmlDType::Q4_0,
    OnCard { planes: &[2..18, 0..2], piece: 32, half_order: true, staged: None },
);

const BLOCK: usize = 32;
const SHIFT: u32 = 4;

#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q4Tile {
    /// `[half][input / 4 % 4][output][input % 4]`: inputs 16 and on in the high bits.
    q: [[Line; 4]; 2],
    scale: [f16; OUTPUTS],
}

impl Q4Tile {
    fn code(&self, lane: usize, input: usize) -> i32 {
        i32::from(self.q[lane / HALF][input / GROUP % 4][lane % HALF][input % GROUP] >> (input / 16 * 4) & 15)
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q4Tile {
    const SPAN: usize = BLOCK;
    const SUB: usize = BLOCK;
    const ZERO: u8 = 128 >> SHIFT;
    const HAS_MINS: bool = false;
    const SCALES: &'static [usize] = &[0];
    const TYPE: &'static WeightType = &Q4_0;

    fn quantize(&mut self, lane: usize, values: &[f32]) {
        self.put(lane, &matrix::block::<BlockQ4_0>(values));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        self.scale[lane] = f16::from_le_bytes([block[0], block[1]]);
        for (line, four) in self.q[lane / HALF].iter_mut().zip(block[2..].as_chunks::<GROUP>().0) {
            line[lane % HALF] = *four;
        }
    }

    fn integer(&self, lane: usize, input: usize) -> i32 {
        self.code(lane, input) - i32::from(Self::ZERO)
    }

    fn scales(&self) -> &[f16; OUTPUTS] {
        &self.scale
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn dot_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        let (low, (half, part)) = (_mm256_set1_epi8(15), avx2::place(eighth));
        let code = |group: usize| {
            let line = &self.q[half][group % 4];
            let q = if group < 4 { avx2::stream(line, part) } else { _mm256_srli_epi16::<4>(avx2::load(line, part)) };
            _mm256_and_si256(q, low)
        };
        let mut sums = [_mm256_setzero_si256(); M];
        // SAFETY: the caller's.
        unsafe {
            avx2::add_dots::<M, 1, 8, 8>(&mut sums, |group| [code(group)], [_mm256_set1_epi16(1)], x, [0]);
            avx2::subtract_zero::<M, SHIFT>(&mut sums, x);
        }
        sums
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn dot_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        // SAFETY: the caller's.
        unsafe { vnni::dot_around_zero::<Self, M, SHIFT>(self, half, x) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn codes_vnni(&self, half: usize, group: usize) -> __m512i {
        let line = &self.q[half][group % 4];
        let q = if group < 4 { vnni::stream(line) } else { _mm512_srli_epi16::<4>(vnni::load(line)) };
        _mm512_and_si512(q, _mm512_set1_epi8(15))
    }
}
