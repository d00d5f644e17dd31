//! Products with rows that lie apart, as the keys and values of one head do.
//!
//! What is added to what does not depend on the CPU, and each product is added without being rounded, so a row has the same bits
//! on each that can do so at once.

use super::Element;
use std::ops::Range;

/// Rows of one length, the first at the start of `data`, each `stride` after the one before.
#[derive(Clone, Copy)]
pub(crate) struct RowsApart<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

/// Elements whose products are summed beside each other.
const LANES: usize = 16;
/// Elements of a sum of rows that stay in registers.
const STRIPE: usize = 64;

/// `out[i] = scale · Σ vector · rows[i]`.
///
/// # Panics
/// If there are fewer rows.
pub(crate) fn dots(vector: &[f32], rows: RowsApart<'_>, scale: f32, out: &mut [f32]) {
    assert!(out.is_empty() || (out.len() - 1) * rows.stride + vector.len() <= rows.data.len(), "rows of a product");
    #[cfg(target_arch = "x86_64")]
    if fuses() {
        // SAFETY: the CPU has what they are compiled for, and the rows are there.
        return match is_x86_feature_detected!("avx512f") {
            true => unsafe { x86::dots_avx512(vector, rows, scale, out) },
            false => unsafe { x86::dots_avx2(vector, rows, scale, out) },
        };
    }
    let dot = if fuses() { dot::<true> } else { dot::<false> };
    for (row, out) in out.iter_mut().enumerate() {
        *out = scale * dot(vector, &rows.data[row * rows.stride..][..vector.len()]);
    }
}

/// Whether the CPU adds a product without rounding it in one instruction. Without one it would be a call, so there it is rounded.
fn fuses() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

#[inline(always)]
fn sum_with<const FUSED: bool>(sum: f32, a: f32, b: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { sum + a * b }
}

/// In [`LANES`], which are then added as AVX2 does it: each half to the other, and neighbours.
fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = sum_with::<FUSED>(*lane, *a, *b);
        }
    }
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let [low, high] = [0, 4].map(|at| (eight[at] + eight[at + 1]) + (eight[at + 2] + eight[at + 3]));
    (low + high) + products::<FUSED>(a.as_chunks::<LANES>().1, b.as_chunks::<LANES>().1)
}

/// Their sum, one after another.
#[inline(always)]
fn products<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum_with::<FUSED>(sum, *a, *b))
}

/// `sums += Σ weights[i] · rows[i]`, one row after another. For [`crate::tensor::simd::vectorized`].
#[inline(always)]
pub(crate) fn add_rows(sums: &mut [f32], rows: RowsApart<'_>, weights: &[f32]) {
    if fuses() { add::<true>(sums, rows, weights) } else { add::<false>(sums, rows, weights) }
}

#[inline(always)]
fn add<const FUSED: bool>(sums: &mut [f32], rows: RowsApart<'_>, weights: &[f32]) {
    let (stripes, others) = sums.as_chunks_mut::<STRIPE>();
    let mut column = 0;
    for stripe in stripes {
        add_columns::<_, FUSED>(stripe, rows, column, weights);
        column += STRIPE;
    }
    let (lanes, others) = others.as_chunks_mut::<LANES>();
    for lanes in lanes {
        add_columns::<_, FUSED>(lanes, rows, column, weights);
        column += LANES;
    }
    for other in others {
        add_columns::<_, FUSED>(std::array::from_mut(other), rows, column, weights);
        column += 1;
    }
}

/// The same of `N` columns from `column` on.
#[inline(always)]
fn add_columns<const N: usize, const FUSED: bool>(
    sums: &mut [f32; N],
    rows: RowsApart<'_>,
    column: usize,
    weights: &[f32],
) {
    let mut held = *sums;
    let mut start = column;
    for weight in weights {
        // An iterator over the rows would not be inlined here.
        let Some(row) = rows.data.get(start..).and_then(|data| data.first_chunk::<N>()) else { break };
        for (sum, element) in held.iter_mut().zip(row) {
            *sum = sum_with::<FUSED>(*sum, *weight, *element);
        }
        start += rows.stride;
    }
    *sums = held;
}

impl<'a> RowsApart<'a> {
    /// Rows `range` of a matrix of `stride` columns, from `column` on.
    pub(crate) fn of(matrix: &'a [f32], stride: usize, range: &Range<usize>, column: usize) -> Self {
        RowsApart { data: &matrix[range.start * stride + column..], stride }
    }

    /// Those columns of those rows, as f32, brought together in `copy`. They begin and end with elements.
    pub(crate) fn together<E: Element>(
        matrix: &[E],
        stride: usize,
        runs: &[Range<usize>],
        columns: Range<usize>,
        copy: &'a mut Vec<f32>,
    ) -> Self {
        let width = columns.len();
        // What is left of another copy is written over.
        copy.resize(runs.iter().map(Range::len).sum::<usize>() * width, 0.0);
        for (row, to) in runs.iter().cloned().flatten().zip(copy.chunks_exact_mut(width.max(1))) {
            E::to_f32(&matrix[(row * stride + columns.start) / E::WIDTH..][..width / E::WIDTH], to);
        }
        RowsApart { data: copy, stride: width }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, RowsApart, products};
    use std::arch::x86_64::{
        __m128, __m256, _mm_add_ps, _mm_mul_ps, _mm_set1_ps, _mm_storeu_ps, _mm256_add_ps, _mm256_castpd_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps,
        _mm256_setzero_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_extractf64x4_pd, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_setzero_ps,
    };

    /// Rows at a time: their lanes are added up together.
    const ROWS: usize = 4;

    /// [`super::dots`], whose rows the caller has seen to be there.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn dots_avx2(vector: &[f32], rows: RowsApart<'_>, scale: f32, out: &mut [f32]) {
        let whole = vector.len() - vector.len() % LANES;
        for (piece, out) in out.chunks_mut(ROWS).enumerate() {
            let starts = starts(rows, piece * ROWS, out.len());
            let mut lanes = [[_mm256_setzero_ps(); 2]; ROWS];
            for at in (0..whole).step_by(LANES) {
                // SAFETY: `at + LANES` is at most the length of the vector, and of each row.
                unsafe {
                    let vector = vector.as_ptr().add(at);
                    let vector = [_mm256_loadu_ps(vector), _mm256_loadu_ps(vector.add(8))];
                    for (lanes, start) in lanes.iter_mut().zip(starts) {
                        let row = start.add(at);
                        lanes[0] = _mm256_fmadd_ps(vector[0], _mm256_loadu_ps(row), lanes[0]);
                        lanes[1] = _mm256_fmadd_ps(vector[1], _mm256_loadu_ps(row.add(8)), lanes[1]);
                    }
                }
            }
            let mut eight = [_mm256_setzero_ps(); ROWS];
            for (eight, lanes) in eight.iter_mut().zip(lanes) {
                *eight = _mm256_add_ps(lanes[0], lanes[1]);
            }
            // SAFETY: the rows are as long as the vector.
            unsafe { finish(added(eight), starts, &vector[whole..], whole, scale, out) };
        }
    }

    /// The same with a register for all lanes of a row.
    #[target_feature(enable = "avx2,fma,avx512f")]
    pub(super) unsafe fn dots_avx512(vector: &[f32], rows: RowsApart<'_>, scale: f32, out: &mut [f32]) {
        let whole = vector.len() - vector.len() % LANES;
        for (piece, out) in out.chunks_mut(ROWS).enumerate() {
            let starts = starts(rows, piece * ROWS, out.len());
            let mut lanes = [_mm512_setzero_ps(); ROWS];
            for at in (0..whole).step_by(LANES) {
                // SAFETY: `at + LANES` is at most the length of the vector, and of each row.
                unsafe {
                    let vector = _mm512_loadu_ps(vector.as_ptr().add(at));
                    for (lanes, start) in lanes.iter_mut().zip(starts) {
                        *lanes = _mm512_fmadd_ps(vector, _mm512_loadu_ps(start.add(at)), *lanes);
                    }
                }
            }
            let mut eight = [_mm256_setzero_ps(); ROWS];
            for (eight, lanes) in eight.iter_mut().zip(lanes) {
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
                *eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), high);
            }
            // SAFETY: the rows are as long as the vector.
            unsafe { finish(added(eight), starts, &vector[whole..], whole, scale, out) };
        }
    }

    /// Where the rows from `first` on start, the last of `count` as often as it takes to be [`ROWS`].
    #[inline(always)]
    fn starts(rows: RowsApart<'_>, first: usize, count: usize) -> [*const f32; ROWS] {
        let start = |row| rows.data[(first + row) * rows.stride..].as_ptr();
        match count {
            ROWS => [start(0), start(1), start(2), start(3)],
            _ => std::array::from_fn(|row| start(row.min(count - 1))),
        }
    }

    /// The sum of each row's lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn added([a, b, c, d]: [__m256; ROWS]) -> __m128 {
        let eight = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
    }

    /// Writes the sums, to which the products with `rest` are added: what of the vector is from `whole` on.
    ///
    /// # Safety
    /// Rows have as much from there on.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn finish(
        sums: __m128,
        starts: [*const f32; ROWS],
        rest: &[f32],
        whole: usize,
        scale: f32,
        out: &mut [f32],
    ) {
        if let (Ok(out), true) = (<&mut [f32; ROWS]>::try_from(&mut *out), rest.is_empty()) {
            // SAFETY: it has room for four.
            return unsafe { _mm_storeu_ps(out.as_mut_ptr(), _mm_mul_ps(_mm_set1_ps(scale), sums)) };
        }
        let mut each = [0.0f32; ROWS];
        // SAFETY: it has room for four.
        unsafe { _mm_storeu_ps(each.as_mut_ptr(), sums) };
        for ((out, sum), start) in out.iter_mut().zip(each).zip(starts) {
            // SAFETY: as the caller says.
            let row = unsafe { std::slice::from_raw_parts(start.add(whole), rest.len()) };
            *out = scale * (sum + products::<true>(rest, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::simd::vectorized;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
    }

    #[test]
    fn products_are_the_sums_of_products_with_the_same_bits_everywhere() {
        let sum_with = if fuses() { sum_with::<true> } else { sum_with::<false> };
        let dot = if fuses() { dot::<true> } else { dot::<false> };
        for (width, stride, count) in [(1, 1, 1), (15, 40, 5), (16, 16, 4), (64, 128, 33), (80, 80, 6), (130, 131, 7)] {
            let (vector, data) = (numbers(width), numbers((count - 1) * stride + width));
            let rows = RowsApart { data: &data, stride };
            let mut found = vec![0.0; count];
            dots(&vector, rows, 0.5, &mut found);
            for (row, found) in found.iter().enumerate() {
                let row = &data[row * stride..][..width];
                assert_eq!(*found, 0.5 * dot(&vector, row), "{width} {stride}");
                let exact: f64 = vector.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                assert!((f64::from(*found) - 0.5 * exact).abs() < 1e-5, "{found} {exact}");
            }
            #[cfg(target_arch = "x86_64")]
            if fuses() {
                let mut narrow = vec![0.0; count];
                // SAFETY: the CPU has AVX2 and FMA, and the rows are there.
                unsafe { x86::dots_avx2(&vector, rows, 0.5, &mut narrow) };
                assert_eq!(narrow, found, "{width} {stride}");
            }
            let mut sums = numbers(width);
            let mut expected = sums.clone();
            vectorized(
                #[inline(always)]
                || add_rows(&mut sums, rows, &found),
            );
            for (row, weight) in found.iter().enumerate() {
                let row = &data[row * stride..][..width];
                expected.iter_mut().zip(row).for_each(|(sum, element)| *sum = sum_with(*sum, *weight, *element));
            }
            assert_eq!(sums, expected, "{width} {stride}");
            let mut copy = Vec::new();
            let together = RowsApart::together(&data, stride, &[0..1, 1..count], 0..width, &mut copy);
            assert_eq!(together.data[(count - 1) * width..], data[(count - 1) * stride..]);
        }
    }

    #[test]
    #[should_panic(expected = "rows of a product")]
    fn rows_that_are_not_there_are_not_read() {
        dots(&[1.0; 4], RowsApart { data: &[1.0; 9], stride: 3 }, 1.0, &mut [0.0; 3]);
    }
}
