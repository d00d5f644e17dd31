//! Products of 8-bit integers on AVX2: `vpmaddubsw` multiplies unsigned codes with signed activations, two inputs to a 16-bit
//! sum; as many of those are added up as cannot overflow, and `vpmaddwd` scales them into 32 bits.

use super::tile::{HALF, Line, OUTPUTS, Tile};
use crate::weights::eight_bits::{Activations, Span};
use crate::weights::prefetch;
use std::arch::x86_64::*;

/// Outputs of a vector.
const EIGHT: usize = 8;

/// `M` rows from `first` on times a row of tiles.
///
/// # Safety
/// The CPU has AVX2, FMA and F16C; `x` has `M` rows from `first` on, of as many spans as there are tiles.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn product<T: Tile, const M: usize>(
    tiles: &[T],
    x: &Activations,
    first: usize,
    out: &mut [[f32; OUTPUTS]],
) {
    const VECTORS: usize = OUTPUTS / EIGHT;
    // SAFETY: the caller's.
    unsafe {
        if M <= FEW {
            vectors::<T, M, VECTORS>(tiles, x, first, 0, out);
        } else {
            // Other rows will meet these tiles, too, which stay in a cache; so that sums stay in registers, one vector of
            // outputs is made at a time.
            (0..VECTORS).for_each(|vector| vectors::<T, M, 1>(tiles, x, first, vector, out));
        }
    }
}

/// `VECTORS` vectors of outputs from `vector` on.
///
/// # Safety
/// As for `product`; there are as many vectors in `OUTPUTS`.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn vectors<T: Tile, const M: usize, const VECTORS: usize>(
    tiles: &[T],
    x: &Activations,
    first: usize,
    vector: usize,
    out: &mut [[f32; OUTPUTS]],
) {
    let mut all = [[_mm256_setzero_ps(); M]; VECTORS];
    for (index, tile) in tiles.iter().enumerate() {
        // SAFETY: the caller's.
        let span = unsafe { x.span(first, index) };
        if vector == 0 {
            tile.ask_for_scales();
        }
        for (vector, sums) in (vector..).zip(&mut all) {
            // SAFETY: the caller's; eight halves from `8 · vector` on are inside of `OUTPUTS`.
            unsafe {
                let scale_of = |scales: &[half::f16; OUTPUTS]| {
                    _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(vector * EIGHT).cast()))
                };
                let dots = tile.dot_avx2::<M>(vector, &span);
                let scale = scale_of(tile.scales());
                for (m, (sum, dot)) in sums.iter_mut().zip(dots).enumerate() {
                    let scale = _mm256_mul_ps(_mm256_set1_ps(span.scale(m)), scale);
                    *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, *sum);
                }
                if T::HAS_MINS {
                    let mins = tile.mins_avx2::<M>(vector, &span);
                    let scale = scale_of(tile.min_scales());
                    for (m, (sum, min)) in sums.iter_mut().zip(mins).enumerate() {
                        let scale = _mm256_mul_ps(_mm256_set1_ps(span.scale(m)), scale);
                        *sum = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min), scale, *sum);
                    }
                }
            }
        }
    }
    for (vector, sums) in (vector..).zip(&all) {
        for (sum, out) in sums.iter().zip(&mut *out) {
            let out = &mut out.as_chunks_mut::<EIGHT>().0[vector];
            // SAFETY: as many elements as a vector has.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), *sum) };
        }
    }
}

/// Rows up to which several runs of inputs are multiplied side by side: more of them would not find room in registers.
pub(in crate::weights) const FEW: usize = 3;

/// Adds `scale · Σ code · x̂` of `RUNS` runs of inputs to `sums`: `GROUPS` groups of four inputs each, from `first` on; 16-bit
/// sums hold `PER` groups. `codes` are a group of each run, which may lie in the same bytes.
///
/// # Safety
/// `x` has `M` rows, and the groups of each run.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) unsafe fn add_dots<const M: usize, const RUNS: usize, const GROUPS: usize, const PER: usize>(
    sums: &mut [__m256i; M],
    codes: impl Fn(usize) -> [__m256i; RUNS],
    scales: [__m256i; RUNS],
    x: &Span,
    first: [usize; RUNS],
) {
    for part in 0..GROUPS / PER {
        let mut narrow = [[_mm256_setzero_si256(); M]; RUNS];
        for group in part * PER..(part + 1) * PER {
            for ((narrow, codes), first) in narrow.iter_mut().zip(codes(group)).zip(first) {
                for (m, sum) in narrow.iter_mut().enumerate() {
                    // SAFETY: the caller's.
                    let x = _mm256_set1_epi32(unsafe { x.four::<M>(m, first + group) });
                    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(codes, x));
                }
            }
        }
        for (narrow, scale) in narrow.into_iter().zip(scales) {
            for (sum, narrow) in sums.iter_mut().zip(narrow) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(narrow, scale));
            }
        }
    }
}

/// Takes back what codes have added over the first 32 inputs that stand for zero at `128 >> SHIFT`.
///
/// # Safety
/// `x` has `M` rows.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) unsafe fn subtract_zero<const M: usize, const SHIFT: u32>(sums: &mut [__m256i; M], x: &Span) {
    for (m, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *sum = _mm256_add_epi32(*sum, _mm256_set1_epi32(unsafe { x.less_128(m) } >> SHIFT));
    }
}

/// Adds `a₀ b₀ + a₁ b₁` of pairs, those of the activations the same for all outputs.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) fn add_pair<const M: usize>(
    sums: &mut [__m256i; M],
    weights: __m256i,
    pair: impl Fn(usize) -> i32,
) {
    for (m, sum) in sums.iter_mut().enumerate() {
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, _mm256_set1_epi32(pair(m))));
    }
}

/// The first, or the second, of each pair of 16-bit numbers twice.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) fn twice(pairs: __m256i, second: bool) -> __m256i {
    let of = if second { 0x0706_0706_0302_0302_u64 } else { 0x0504_0504_0100_0100 } as i64;
    let next = of + 0x0808_0808_0808_0808;
    _mm256_shuffle_epi8(pairs, _mm256_setr_epi64x(of, next, of, next))
}

/// Eight pairs of bytes, unsigned or signed, as 16-bit numbers.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) fn pairs_of(bytes: &[[u8; 2]; OUTPUTS], eighth: usize, signed: bool) -> __m256i {
    // SAFETY: sixteen bytes from `16 · eighth` on are inside of 64.
    let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().add(eighth * EIGHT).cast()) };
    if signed { _mm256_cvtepi8_epi16(bytes) } else { _mm256_cvtepu8_epi16(bytes) }
}

/// The half of a tile, and the half of its lines, that hold outputs `8 · eighth ..`.
pub(in crate::weights) const fn place(eighth: usize) -> (usize, usize) {
    (eighth * EIGHT / HALF, eighth * EIGHT % HALF / EIGHT)
}

/// Half a line that was read before.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) fn load(line: &Line, half: usize) -> __m256i {
    // SAFETY: 32 bytes from `32 · half` on are inside of 64.
    unsafe { _mm256_loadu_si256(line.as_ptr().add(half * EIGHT).cast()) }
}

/// Half a line; the first half is read for the first time.
#[target_feature(enable = "avx2")]
#[inline]
pub(in crate::weights) fn stream(line: &Line, half: usize) -> __m256i {
    if half == 0 {
        prefetch::ahead(line);
    }
    load(line, half)
}
