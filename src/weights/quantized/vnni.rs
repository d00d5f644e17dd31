//! Products of 8-bit integers on AVX-512 VNNI: `vpdpbusd` adds four products of unsigned codes and signed activations to a
//! 32-bit sum.

use super::tile::{HALF, Line, OUTPUTS, Tile};
use crate::weights::eight_bits::{Activations, Span};
use crate::weights::prefetch;
use std::arch::x86_64::*;

/// `M` rows from `first` on times a row of tiles.
///
/// # Safety
/// The CPU has AVX-512 F, BW and VNNI; `x` has `M` rows from `first` on, of as many spans as there are tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn product<T: Tile, const M: usize>(
    tiles: &[T],
    x: &Activations,
    first: usize,
    out: &mut [[f32; OUTPUTS]],
) {
    const VECTORS: usize = OUTPUTS / HALF;
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
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn vectors<T: Tile, const M: usize, const VECTORS: usize>(
    tiles: &[T],
    x: &Activations,
    first: usize,
    vector: usize,
    out: &mut [[f32; OUTPUTS]],
) {
    let mut all = [[_mm512_setzero_ps(); M]; VECTORS];
    for (index, tile) in tiles.iter().enumerate() {
        // SAFETY: the caller's.
        let span = unsafe { x.span(first, index) };
        if vector == 0 {
            tile.ask_for_scales();
        }
        for (vector, sums) in (vector..).zip(&mut all) {
            // SAFETY: the caller's.
            unsafe {
                let dots = tile.dot_vnni::<M>(vector, &span);
                add_span::<T, M>(tile, vector, &span, |m| dots[m], sums);
            }
        }
    }
    for (vector, sums) in (vector..).zip(&all) {
        for (sum, out) in sums.iter().zip(&mut *out) {
            let out = &mut out.as_chunks_mut::<HALF>().0[vector];
            // SAFETY: as many elements as a vector has.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *sum) };
        }
    }
}

/// `body` for each of up to sixteen rows, a number that is known when it is compiled: in a loop, sums would lie in memory.
macro_rules! for_each_row {
    ($rows:expr, |$row:ident| $body:block) => {
        for_each_row!(@ $rows, $row, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $rows:expr, $row:ident, $body:block, $($index:literal)*) => {
        const { assert!($rows <= 16) };
        $(if $index < $rows {
            let $row: usize = $index;
            $body
        })*
    };
}

/// Adds the products of a span with outputs `16 · half ..`, of which `dot(row)` is `Σ q x̂`, to the sums of each row.
///
/// # Safety
/// `x` has `M` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(super) unsafe fn add_span<T: Tile, const M: usize>(
    tile: &T,
    half: usize,
    x: &Span,
    dot: impl Fn(usize) -> __m512i,
    sums: &mut [__m512; M],
) {
    // SAFETY: the caller's; sixteen halves from `16 · half` on are inside of `OUTPUTS`.
    unsafe {
        let scale_of = |scales: &[half::f16; OUTPUTS]| {
            _mm512_cvtph_ps(_mm256_loadu_si256(scales.as_ptr().add(half * HALF).cast()))
        };
        let scale = scale_of(tile.scales());
        for_each_row!(M, |m| {
            let scale = _mm512_mul_ps(_mm512_set1_ps(x.scale(m)), scale);
            sums[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot(m)), scale, sums[m]);
        });
        if T::HAS_MINS {
            let mins = tile.mins_vnni::<M>(half, x);
            let scale = scale_of(tile.min_scales());
            for_each_row!(M, |m| {
                let scale = _mm512_mul_ps(_mm512_set1_ps(x.scale(m)), scale);
                sums[m] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(mins[m]), scale, sums[m]);
            });
        }
    }
}

/// `Σ code · x̂` of a span of 32 inputs, whose codes stand for zero at `128 >> SHIFT`.
///
/// # Safety
/// `x` has `M` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(in crate::weights) unsafe fn dot_around_zero<T: Tile, const M: usize, const SHIFT: u32>(
    tile: &T,
    half: usize,
    x: &Span,
) -> [__m512i; M] {
    // SAFETY: the caller's.
    unsafe { dot::<M, 8>(less_zero::<M, SHIFT>(x), |group| tile.codes_vnni(half, group), x, 0) }
}

/// Rows up to which reading weights is what a product waits for, so that they are read in their order.
const FEW: usize = 2;

/// `Σ code · x̂` over `GROUPS` groups of four inputs, added to `sums`.
///
/// # Safety
/// `x` has `M` rows, and the groups from `first` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(in crate::weights) unsafe fn dot<const M: usize, const GROUPS: usize>(
    mut sums: [__m512i; M],
    codes: impl Fn(usize) -> __m512i,
    x: &Span,
    first: usize,
) -> [__m512i; M] {
    for group in 0..GROUPS {
        let codes = codes(group);
        for (m, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let x = _mm512_set1_epi32(unsafe { x.four::<M>(m, first + group) });
            *sum = _mm512_dpbusd_epi32(*sum, codes, x);
        }
    }
    sums
}

/// Adds `scale · dot`.
#[target_feature(enable = "avx512f")]
#[inline]
pub(in crate::weights) fn add_scaled<const M: usize>(sums: &mut [__m512i; M], dots: [__m512i; M], scale: __m512i) {
    for (sum, dot) in sums.iter_mut().zip(dots) {
        *sum = _mm512_add_epi32(*sum, _mm512_mullo_epi32(dot, scale));
    }
}

/// Where sums over the first 32 inputs begin if codes stand for zero at `128 >> SHIFT`: what they will have added too much.
///
/// # Safety
/// `x` has `M` rows.
#[target_feature(enable = "avx512f")]
#[inline]
pub(in crate::weights) unsafe fn less_zero<const M: usize, const SHIFT: u32>(x: &Span) -> [__m512i; M] {
    let mut sums = [_mm512_setzero_si512(); M];
    for (m, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *sum = _mm512_srai_epi32::<SHIFT>(_mm512_set1_epi32(unsafe { x.less_128(m) }));
    }
    sums
}

/// Adds `a₀ b₀ + a₁ b₁` of pairs, those of the activations the same for all outputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(in crate::weights) fn add_pair<const M: usize>(
    sums: &mut [__m512i; M],
    weights: __m512i,
    pair: impl Fn(usize) -> i32,
) {
    for (m, sum) in sums.iter_mut().enumerate() {
        *sum = _mm512_dpwssd_epi32(*sum, weights, _mm512_set1_epi32(pair(m)));
    }
}

/// Sixteen pairs of bytes, unsigned or signed, as 16-bit numbers.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(in crate::weights) fn pairs_of(bytes: &[[u8; 2]; OUTPUTS], half: usize, signed: bool) -> __m512i {
    // SAFETY: 32 bytes from `32 · half` on are inside of 64.
    let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(half * HALF).cast()) };
    if signed { _mm512_cvtepi8_epi16(bytes) } else { _mm512_cvtepu8_epi16(bytes) }
}

/// The first, or the second, of each pair of 16-bit numbers as one of 32 bits.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(in crate::weights) fn of_pairs(pairs: __m512i, second: bool) -> __m512i {
    if second { _mm512_srai_epi32::<16>(pairs) } else { _mm512_srai_epi32::<16>(_mm512_slli_epi32::<16>(pairs)) }
}

/// The first, or the second, of each pair of 16-bit numbers in both places.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(in crate::weights) fn twice(pairs: __m512i, second: bool) -> __m512i {
    let one = if second { _mm512_srli_epi32::<16>(pairs) } else { _mm512_and_si512(pairs, _mm512_set1_epi32(0xFFFF)) };
    _mm512_or_si512(one, _mm512_slli_epi32::<16>(one))
}

/// A line that was read before.
#[target_feature(enable = "avx512f")]
#[inline]
pub(in crate::weights) fn load(line: &Line) -> __m512i {
    // SAFETY: as many bytes as a vector has.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

/// A line that is read for the first time.
#[target_feature(enable = "avx512f")]
#[inline]
pub(in crate::weights) fn stream(line: &Line) -> __m512i {
    prefetch::ahead(line);
    load(line)
}
