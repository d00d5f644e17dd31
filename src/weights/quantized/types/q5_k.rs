//! GGML's Q5_K: blocks of 256 weights in five bits; every 32 have a scale and a min.

use super::super::matrix::{self, weight_type};
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use super::five_bits;
use super::k_scales::{BLOCK, KScales, SUB};
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
#[cfg(target_arch = "x86_64")]
use crate::weights::prefetch;
use crate::weights::{OnCard, WeightType};
use candle_core::quantized::k_quants::BlockQ5K;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Q5_K; the output head in Q6_K, as llama.cpp's Q5_K_M has it.
pub(crate) static Q5_K: WeightType = weight_type::<Q5KTile>(
    "q5_k",
    "Q5_K; the output head in Q6_K, as llama.cpp's Q5_K_M has it.",
    "q6_k",
    GgmlDType::Q5K,
    OnCard { planes: &[0..176], piece: 32, half_order: false, staged: Some(176) },
);

#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q5KTile {
    scales: KScales,
    parts: [Half; 2],
}

#[derive(Debug, Clone)]
#[repr(C)]
struct Half {
    /// The fifth bits, `[input % 32 / 4][output][input % 4]`: a bit for each sub.
    high: [Line; 8],
    /// The low bits, `[pair of subs][input % 32 / 4][output][input % 4]`, the second sub above the first.
    low: [[Line; 8]; 4],
}

impl Q5KTile {
    fn code(&self, lane: usize, input: usize) -> i32 {
        let (sub, i) = (input / SUB, input % SUB);
        let (Half { high, low }, lane) = (&self.parts[lane / HALF], lane % HALF);
        let low = low[sub / 2][i / GROUP][lane][i % GROUP] >> (sub % 2 * 4);
        five_bits::code(low, high[i / GROUP][lane][i % GROUP], sub)
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q5KTile {
    const SPAN: usize = BLOCK;
    const SUB: usize = SUB;
    const HAS_MINS: bool = true;
    const SCALES: &'static [usize] = &[0, 2];
    const TYPE: &'static WeightType = &Q5_K;

    fn quantize(&mut self, lane: usize, values: &[f32]) {
        self.put(lane, &matrix::block::<BlockQ5K>(values));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        self.scales.put(lane, block);
        let (Half { high, low }, lane) = (&mut self.parts[lane / HALF], lane % HALF);
        let lines = high.iter_mut().chain(low.as_flattened_mut());
        for (line, four) in lines.zip(block[16..].as_chunks::<GROUP>().0) {
            line[lane] = *four;
        }
    }

    fn integer(&self, lane: usize, input: usize) -> i32 {
        self.scales.integer(lane, input, self.code(lane, input))
    }

    fn value(&self, lane: usize, input: usize) -> f32 {
        self.scales.value(lane, input, self.code(lane, input))
    }

    fn dequantize(&self, lane: usize, out: &mut [f32]) {
        self.scales.dequantize(lane, out, |input| self.code(lane, input));
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn ask_for_scales(&self) {
        prefetch::ahead(&self.scales);
    }

    fn scales(&self) -> &[f16; OUTPUTS] {
        &self.scales.scale
    }

    fn min_scales(&self) -> &[f16; OUTPUTS] {
        &self.scales.min_scale
    }

    fn mins(&self, lane: usize, out: &mut [i32]) {
        self.scales.mins(lane, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn dot_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        let (half, part) = avx2::place(eighth);
        let Half { high, low } = &self.parts[half];
        let codes = |sub: usize, group: usize| {
            let (line, first) = (&low[sub / 2][group], sub.is_multiple_of(2));
            let low = if first { avx2::stream(line, part) } else { _mm256_srli_epi16::<4>(avx2::load(line, part)) };
            let high = if sub == 0 { avx2::stream(&high[group], part) } else { avx2::load(&high[group], part) };
            five_bits::codes_avx2(low, high, sub)
        };
        // SAFETY: the caller's.
        unsafe { self.scales.dot_avx2::<M, 4>(eighth, x, codes) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn mins_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        // SAFETY: the caller's.
        unsafe { self.scales.mins_avx2(eighth, x) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn dot_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        // SAFETY: the caller's.
        unsafe { self.scales.dot_vnni(half, x, |group| self.codes_vnni(half, group)) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn mins_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        // SAFETY: the caller's.
        unsafe { self.scales.mins_vnni(half, x) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn codes_vnni(&self, half: usize, group: usize) -> __m512i {
        let (Half { high, low }, sub) = (&self.parts[half], group * GROUP / SUB);
        let (line, first) = (&low[sub / 2][group % (SUB / GROUP)], sub.is_multiple_of(2));
        let low = if first { vnni::stream(line) } else { _mm512_srli_epi16::<4>(vnni::load(line)) };
        let high = &high[group % (SUB / GROUP)];
        let high = if sub == 0 { vnni::stream(high) } else { vnni::load(high) };
        five_bits::codes_vnni(low, high, sub)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn integer_scales(&self, half: usize, sub: usize) -> __m512i {
        self.scales.integer_scales(half, sub)
    }
}
