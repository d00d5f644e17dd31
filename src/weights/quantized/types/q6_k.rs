//! GGML's Q6_K: blocks of 256 weights in 6 bits around 32; every 16 have a scale.

use super::super::matrix::{self, weight_type};
use super::super::tile::{HALF, Line, OUTPUTS, Tile};
#[cfg(target_arch = "x86_64")]
use super::super::{avx2, vnni};
use crate::weights::eight_bits::{GROUP, Span};
use crate::weights::ggml::GgmlDType;
#[cfg(target_arch = "x86_64")]
use crate::weights::prefetch;
use crate::weights::{OnCard, WeightType};
use candle_core::quantized::k_quants::BlockQ6K;
use half::f16;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Q6_K.
pub(crate) static Q6_K: WeightType = weight_type::<Q6KTile>(
    "q6_k",
    "Q6_K.",
    "q6_k",
    GgmlDType::Q6K,
    OnCard { planes: &[0..208, 208..210], piece: 32, half_order: true, staged: Some(208) },
);

const BLOCK: usize = 256;
/// Inputs that share a scale.
const SUB: usize = 16;

/// Inputs are told apart by their 32: two halves of four.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(in crate::weights) struct Q6KTile {
    scale: [f16; OUTPUTS],
    /// The bits of signed integers: of the two 16 of each 32, `[input / 32][output]`.
    scales: [[[u8; 2]; OUTPUTS]; 8],
    /// `[half of the outputs][half of the inputs]`
    parts: [[Half; 2]; 2],
}

#[derive(Debug, Clone)]
#[repr(C)]
struct Half {
    /// The two high bits, `[input % 32 / 4][output][input % 4]`, a pair for each 32 inputs.
    high: [Line; 8],
    /// The four low bits, `[32 % 2][input % 32 / 4][output][input % 4]`; the third and the fourth 32 are above the others.
    low: [[Line; 8]; 2],
}

impl Q6KTile {
    fn code(&self, lane: usize, input: usize) -> i32 {
        let (index, i) = (input / 32 % 4, input % 32);
        let (Half { high, low }, lane) = (&self.parts[lane / HALF][input / 128], lane % HALF);
        let low = low[index % 2][i / GROUP][lane][i % GROUP] >> (index / 2 * 4) & 15;
        let high = high[i / GROUP][lane][i % GROUP] >> (2 * index) & 3;
        i32::from(low | high << 4) - i32::from(Self::ZERO)
    }

    fn sub_scale(&self, lane: usize, sub: usize) -> i8 {
        self.scales[sub / 2][lane][sub % 2] as i8
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    fn codes_avx2(&self, of_32: usize, group: usize, eighth: usize) -> __m256i {
        let ((half, part), index) = (avx2::place(eighth), of_32 % 4);
        let Half { high, low } = &self.parts[half][of_32 / 4];
        let (line, first) = (&low[index % 2][group], index < 2);
        let low = if first { avx2::stream(line, part) } else { _mm256_srli_epi16::<4>(avx2::load(line, part)) };
        let high = if index == 0 { avx2::stream(&high[group], part) } else { avx2::load(&high[group], part) };
        let high = _mm256_srlv_epi32(high, _mm256_set1_epi32(2 * index as i32));
        let high = _mm256_slli_epi16::<4>(_mm256_and_si256(high, _mm256_set1_epi8(3)));
        _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)), high)
    }
}

// SAFETY: integers and halves.
unsafe impl Tile for Q6KTile {
    const SPAN: usize = BLOCK;
    const SUB: usize = SUB;
    const ZERO: u8 = 32;
    const HAS_MINS: bool = false;
    const SCALES: &'static [usize] = &[208];
    const TYPE: &'static WeightType = &Q6_K;

    fn quantize(&mut self, lane: usize, values: &[f32]) {
        self.put(lane, &matrix::block::<BlockQ6K>(values));
    }

    fn put(&mut self, lane: usize, block: &[u8]) {
        let (low, rest) = block.split_at(128);
        let (high, rest) = rest.split_at(64);
        for (half, (low, high)) in self.parts[lane / HALF].iter_mut().zip(low.chunks(64).zip(high.chunks(32))) {
            let lines = half.low.as_flattened_mut().iter_mut().chain(&mut half.high);
            let fours = low.as_chunks::<GROUP>().0.iter().chain(high.as_chunks::<GROUP>().0);
            lines.zip(fours).for_each(|(line, four)| line[lane % HALF] = *four);
        }
        for (scales, pair) in self.scales.iter_mut().zip(rest.as_chunks::<2>().0) {
            scales[lane] = *pair;
        }
        self.scale[lane] = f16::from_le_bytes([rest[16], rest[17]]);
    }

    fn integer(&self, lane: usize, input: usize) -> i32 {
        i32::from(self.sub_scale(lane, input / SUB)) * self.code(lane, input)
    }

    fn value(&self, lane: usize, input: usize) -> f32 {
        self.scale[lane].to_f32() * f32::from(self.sub_scale(lane, input / SUB)) * self.code(lane, input) as f32
    }

    fn dequantize(&self, lane: usize, out: &mut [f32]) {
        let d = self.scale[lane].to_f32();
        for (i, out) in out.iter_mut().enumerate() {
            *out = d * f32::from(self.sub_scale(lane, i / SUB)) * self.code(lane, i) as f32;
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn ask_for_scales(&self) {
        prefetch::ahead(&self.scale);
        prefetch::ahead(&self.scales);
    }

    fn scales(&self) -> &[f16; OUTPUTS] {
        &self.scale
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn dot_avx2<const M: usize>(&self, eighth: usize, x: &Span) -> [__m256i; M] {
        let (mut sums, mut offsets) = ([_mm256_setzero_si256(); M], [_mm256_setzero_si256(); M]);
        let mut all = [_mm256_setzero_si256(); 8];
        for (all, scales) in all.iter_mut().zip(&self.scales) {
            *all = avx2::pairs_of(scales, eighth, true);
        }
        for second in [false, true] {
            let first = 4 * usize::from(second);
            let codes = |of_32: usize, group: usize| self.codes_avx2(of_32, first + group, eighth);
            let scale = |of_32: usize| avx2::twice(all[of_32], second);
            for [a, b, c, d] in [[0, 1, 2, 3], [4, 5, 6, 7]] {
                // SAFETY: the caller's.
                unsafe {
                    if M <= avx2::FEW {
                        let codes = |group: usize| [codes(a, group), codes(b, group), codes(c, group), codes(d, group)];
                        let scales = [scale(a), scale(b), scale(c), scale(d)];
                        let first = [a * 8 + first, b * 8 + first, c * 8 + first, d * 8 + first];
                        avx2::add_dots::<M, 4, 4, 2>(&mut sums, codes, scales, x, first);
                    } else {
                        for of_32 in [a, b, c, d] {
                            let first = of_32 * 8 + first;
                            avx2::add_dots::<M, 1, 4, 2>(
                                &mut sums,
                                |group| [codes(of_32, group)],
                                [scale(of_32)],
                                x,
                                [first],
                            );
                        }
                    }
                }
            }
        }
        for (of_32, scales) in all.into_iter().enumerate() {
            // SAFETY: the caller's.
            avx2::add_pair(&mut offsets, scales, |m| unsafe { x.sums_of_16::<M>(m, of_32) });
        }
        std::array::from_fn(|m| _mm256_sub_epi32(sums[m], _mm256_slli_epi32::<5>(offsets[m])))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn dot_vnni<const M: usize>(&self, half: usize, x: &Span) -> [__m512i; M] {
        let (mut sums, mut offsets) = ([_mm512_setzero_si512(); M], [_mm512_setzero_si512(); M]);
        for (of_32, scales) in self.scales.iter().enumerate() {
            let scales = vnni::pairs_of(scales, half, true);
            for second in [false, true] {
                let first = of_32 * 8 + 4 * usize::from(second);
                // SAFETY: the caller's.
                let codes = |group: usize| unsafe { self.codes_vnni(half, first + group) };
                // SAFETY: the caller's.
                let dots = unsafe { vnni::dot::<M, 4>([_mm512_setzero_si512(); M], codes, x, first) };
                vnni::add_scaled(&mut sums, dots, vnni::of_pairs(scales, second));
            }
            // SAFETY: the caller's.
            vnni::add_pair(&mut offsets, scales, |m| unsafe { x.sums_of_16::<M>(m, of_32) });
        }
        std::array::from_fn(|m| _mm512_sub_epi32(sums[m], _mm512_slli_epi32::<5>(offsets[m])))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn codes_vnni(&self, half: usize, group: usize) -> __m512i {
        /// Bits of the second where the first are set, of the third elsewhere.
        const SELECT: i32 = 0b1100_1010;
        let (of_32, group) = (group / 8, group % 8);
        let (Half { high, low }, index) = (&self.parts[half][of_32 / 4], of_32 % 4);
        let (line, first) = (&low[index % 2][group], index < 2);
        let low = if first { vnni::stream(line) } else { _mm512_srli_epi16::<4>(vnni::load(line)) };
        let high = if index == 0 { vnni::stream(&high[group]) } else { vnni::load(&high[group]) };
        // The pair comes above the four low bits; what the rotation carries from one byte to the next is masked away.
        let high = _mm512_rorv_epi32(high, _mm512_set1_epi32((2 * index as i32 - 4) & 31));
        let bits = _mm512_ternarylogic_epi32::<SELECT>(_mm512_set1_epi8(15), low, high);
        _mm512_and_si512(bits, _mm512_set1_epi8(63))
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn integer_scales(&self, half: usize, sub: usize) -> __m512i {
        vnni::twice(vnni::pairs_of(&self.scales[sub / 2], half, true), !sub.is_multiple_of(2))
    }
}
