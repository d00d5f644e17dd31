//! GGML's Q5_0: blocks of 32 weights in 5 bits around 16, with a scale.

use super::super::matrix::{self, weight_type};
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use super::five_bits;
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
use crate::weights::{OnCard, WeightType};
use candle_core::quantized::k_quants::BlockQ5_0;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// GGML's Q5_0.
pub(crate) static Q5_0: WeightType = weight_type::<Q5Tile>(
    "q5_0",
    "GGML's Q5_0: blocks of 32 weights in 5 bits with a scale; the output head in Q8_0.",
    "q8_0",
    GgmlDType::Q5_0,
    OnCard { planes: &[6..22, 2..6, 0..2], piece: 32, half_order: true, staged: None },
);

const BLOCK: usize = 32;
const SHIFT: u32 = 3;

#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q5Tile {
    parts: [Half; 2],
    scale: [f16; OUTPUTS],
}

#[derive(Debug, Clone)]
#[repr(C)]
struct Half {
    /// The fifth bits, `[output][input % 4]`: bit `input / 4`.
    high: Line,
    /// The low bits, `[input / 4 % 4][output][input % 4]`: inputs 16 and on above the others.
    low: [Line; 4],
}

impl Q5Tile {
    fn code(&self, lane: usize, input: usize) -> i32 {
        let (Half { high, low }, lane) = (&self.parts[lane / HALF], lane % HALF);
        let low = low[input / GROUP % 4][lane][input % GROUP] >> (input / 16 * 4);
        five_bits::code(low, high[lane][input % GROUP], input / GROUP)
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q5Tile {
    const SPAN: usize = BLOCK;
    const SUB: usize = BLOCK;
    const ZERO: u8 = 128 >> SHIFT;
    const HAS_MINS: bool = false;
    const SCALES: &'static [usize] = &[0];
    const TYPE: &'static WeightType = &Q5_0;

    fn quantize(&mut self, lane: usize, values: &[f32]) {
        self.put(lane, &matrix::block::<BlockQ5_0>(values));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        self.scale[lane] = f16::from_le_bytes([block[0], block[1]]);
        let bits = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
        let bit = |input: usize| (bits >> input & 1) as u8;
        let (Half { high, low }, lane) = (&mut self.parts[lane / HALF], lane % HALF);
        high[lane] = std::array::from_fn(|i| (0..8).fold(0, |byte, group| byte | bit(group * GROUP + i) << group));
        for (line, four) in low.iter_mut().zip(block[6..].as_chunks::<GROUP>().0) {
            line[lane] = *four;
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
        let (half, part) = avx2::place(eighth);
        let Half { high, low } = &self.parts[half];
        let high = avx2::stream(high, part);
        let code = |group: usize| {
            let line = &low[group % 4];
            let low = if group < 4 { avx2::stream(line, part) } else { _mm256_srli_epi16::<4>(avx2::load(line, part)) };
            five_bits::codes_avx2(low, high, group)
        };
        let mut sums = [_mm256_setzero_si256(); M];
        // SAFETY: the caller's.
        unsafe {
            avx2::add_dots::<M, 1, 8, 4>(&mut sums, |group| [code(group)], [_mm256_set1_epi16(1)], x, [0]);
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
        let Half { high, low } = &self.parts[half];
        let line = &low[group % 4];
        let low = if group < 4 { vnni::stream(line) } else { _mm512_srli_epi16::<4>(vnni::load(line)) };
        let high = if group == 0 { vnni::stream(high) } else { vnni::load(high) };
        five_bits::codes_vnni(low, high, group)
    }
}
