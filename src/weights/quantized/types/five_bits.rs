//! Codes of five bits: four with the others', the fifth in a byte of its own.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The code of low bits and of bit `index` of `high`.
pub(super) fn code(low: u8, high: u8, index: usize) -> i32 {
    i32::from(low & 15 | (high >> index & 1) << 4)
}

/// The codes of four low bits and of bit `index` of each byte of `high`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn codes_avx2(low: __m256i, high: __m256i, index: usize) -> __m256i {
    // The shift carries bits from one byte to the next; what is not masked away does not come from there.
    let bit = _mm256_and_si256(_mm256_srlv_epi32(high, _mm256_set1_epi32(index as i32)), _mm256_set1_epi8(1));
    _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)), _mm256_slli_epi16::<4>(bit))
}

/// The codes of four low bits and of bit `index` of each byte of `high`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn codes_vnni(low: __m512i, high: __m512i, index: usize) -> __m512i {
    let bit = _mm512_and_si512(_mm512_srlv_epi32(high, _mm512_set1_epi32(index as i32)), _mm512_set1_epi8(1));
    _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi8(15)), _mm512_slli_epi16::<4>(bit))
}
