//! GGML's Q4_K: blocks of 256 weights in four bits; every 32 have a scale and a min.

use super::super::matrix::{self, weight_type};
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use super::k_scales::{BLOCK, KScales, SUB};
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
#[cfg(target_arch = "x86_64")]
use crate::weights::prefetch;
use crate::weights::{OnCard, WeightType};
use candle_core::quantized::k_quants::BlockQ4K;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Q4_K; the output head in Q6_K, as llama.cpp's Q4_K_M has it.
pub(crate) static Q4_K: WeightType = WeightType {
    fallback: Some("q5_0"),
    ..weight_type::<Q4KTile>(
        "q4_k",
        "Q4_K; the output head in Q6_K, as llama.cpp's Q4_K_M has it.",
        "q6_k",
        GgmlDType::Q4K,
        OnCard { planes: &[0..144], piece: 32, half_order: false, staged: Some(144) },
    )
};

#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q4KTile {
    scales: KScales,
    /// `[half][pair of subs][input % 32 / 4][output][input % 4]`, the second sub in the high bits.
    q: [[[Line; 8]; 4]; 2],
}

impl Q4KTile {
    fn code(&self, lane: usize, input: usize) -> i32 {
        let (sub, i) = (input / SUB, input % SUB);
        i32::from(self.q[lane / HALF][sub / 2][i / GROUP][lane % HALF][i % GROUP] >> (sub % 2 * 4) & 15)
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q4KTile {
    const SPAN: usize = BLOCK;
    const SUB: usize = SUB;
    const HAS_MINS: bool = true;
    const SCALES: &'static [usize] = &[0, 2];
    const TYPE: &'static WeightType = &Q4_K;

    fn quantize(&mut self, lane: usize, values: &[f32]) {
        self.put(lane, &matrix::block::<BlockQ4K>(values));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        self.scales.put(lane, block);
        let lines = self.q[lane / HALF].as_flattened_mut();
        for (line, four) in lines.iter_mut().zip(block[16..].as_chunks::<GROUP>().0) {
            line[lane % HALF] = *four;
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
        let (low, (half, part)) = (_mm256_set1_epi8(15), avx2::place(eighth));
        let codes = |sub: usize, group: usize| {
            let line = &self.q[half][sub / 2][group];
            let first = sub.is_multiple_of(2);
            let q = if first { avx2::stream(line, part) } else { _mm256_srli_epi16::<4>(avx2::load(line, part)) };
            _mm256_and_si256(q, low)
        };
        // SAFETY: the caller's.
        unsafe { self.scales.dot_avx2::<M, 8>(eighth, x, codes) }
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
        let sub = group * GROUP / SUB;
        let line = &self.q[half][sub / 2][group % (SUB / GROUP)];
        let first = sub.is_multiple_of(2);
        let q = if first { vnni::stream(line) } else { _mm512_srli_epi16::<4>(vnni::load(line)) };
        _mm512_and_si512(q, _mm512_set1_epi8(15))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn integer_scales(&self, half: usize, sub: usize) -> __m512i {
        self.scales.integer_scales(half, sub)
    }
}
