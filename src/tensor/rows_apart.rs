//! Products with rows that lie apart, as the keys and values of one head do.
//!
//! What is added to what does not depend on the CPU, so a row has the same bits on each.

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
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, and the rows are there.
        return unsafe { avx2::dots(vector, rows, scale, out) };
    }
    for (row, out) in out.iter_mut().enumerate() {
        *out = scale * dot(vector, &rows.data[row * rows.stride..][..vector.len()]);
    }
}

/// In [`LANES`], which are then added as AVX2 does it: each half to the other, and neighbours.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let [low, high] = [0, 4].map(|at| (eight[at] + eight[at + 1]) + (eight[at + 2] + eight[at + 3]));
    (low + high) + rest(a, b)
}

/// The products beyond the last whole [`LANES`].
#[inline(always)]
fn rest(a: &[f32], b: &[f32]) -> f32 {
    let whole = a.len() - a.len() % LANES;
    a[whole..].iter().zip(&b[whole..]).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// `sums += Σ weights[i] · rows[i]`, one row after another. For [`crate::tensor::simd::vectorized`].
#[inline(always)]
pub(crate) fn add_rows(sums: &mut [f32], rows: RowsApart<'_>, weights: &[f32]) {
    let (stripes, others) = sums.as_chunks_mut::<STRIPE>();
    let mut column = 0;
    for stripe in stripes {
        add_columns(stripe, rows, column, weights);
        column += STRIPE;
    }
    let (lanes, others) = others.as_chunks_mut::<LANES>();
    for lanes in lanes {
        add_columns(lanes, rows, column, weights);
        column += LANES;
    }
    for other in others {
        add_columns(std::array::from_mut(other), rows, column, weights);
        column += 1;
    }
}

/// The same of `N` columns from `column` on.
#[inline(always)]
fn add_columns<const N: usize>(sums: &mut [f32; N], rows: RowsApart<'_>, column: usize, weights: &[f32]) {
    let mut held = *sums;
    let mut start = column;
    for weight in weights {
        // An iterator over the rows would not be inlined here.
        let Some(row) = rows.data.get(start..).and_then(|data| data.first_chunk::<N>()) else { break };
        for (sum, element) in held.iter_mut().zip(row) {
            *sum += weight * element;
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
mod avx2 {
    use super::{LANES, RowsApart, rest};
    use std::arch::x86_64::{
        _mm_add_ps, _mm_storeu_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_hadd_ps,
        _mm256_loadu_ps, _mm256_mul_ps, _mm256_setzero_ps,
    };

    /// Rows at a time: their lanes are added up together.
    const ROWS: usize = 4;

    /// [`super::dots`], whose rows the caller has seen to be there.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn dots(vector: &[f32], rows: RowsApart<'_>, scale: f32, out: &mut [f32]) {
        let whole = vector.len() - vector.len() % LANES;
        for (piece, out) in out.chunks_mut(ROWS).enumerate() {
            // The last row may be taken several times. (A closure would not be inlined here.)
            let mut starts = [0; ROWS];
            for (row, start) in starts.iter_mut().enumerate() {
                *start = (piece * ROWS + row.min(out.len() - 1)) * rows.stride;
            }
            let mut lanes = [[_mm256_setzero_ps(); 2]; ROWS];
            for at in (0..whole).step_by(LANES) {
                // SAFETY: `at + LANES` is at most the length of the vector, and of each row.
                unsafe {
                    let vector = vector.as_ptr().add(at);
                    let vector = [_mm256_loadu_ps(vector), _mm256_loadu_ps(vector.add(8))];
                    for (lanes, start) in lanes.iter_mut().zip(starts) {
                        let row = rows.data.as_ptr().add(start + at);
                        lanes[0] = _mm256_add_ps(lanes[0], _mm256_mul_ps(vector[0], _mm256_loadu_ps(row)));
                        lanes[1] = _mm256_add_ps(lanes[1], _mm256_mul_ps(vector[1], _mm256_loadu_ps(row.add(8))));
                    }
                }
            }
            let [a, b, c, d] = lanes;
            let first = _mm256_hadd_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(b[0], b[1]));
            let second = _mm256_hadd_ps(_mm256_add_ps(c[0], c[1]), _mm256_add_ps(d[0], d[1]));
            let eight = _mm256_hadd_ps(first, second);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let mut sums = [0.0f32; ROWS];
            // SAFETY: it has room for four.
            unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) };
            for ((out, sum), start) in out.iter_mut().zip(sums).zip(starts) {
                *out = scale * (sum + rest(vector, &rows.data[start..start + vector.len()]));
            }
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
            let mut sums = numbers(width);
            let mut expected = sums.clone();
            vectorized(
                #[inline(always)]
                || add_rows(&mut sums, rows, &found),
            );
            for (row, weight) in found.iter().enumerate() {
                let row = &data[row * stride..][..width];
                expected.iter_mut().zip(row).for_each(|(sum, element)| *sum += weight * element);
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
