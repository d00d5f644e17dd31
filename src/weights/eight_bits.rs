//! Activations as 8-bit integers with a scale for each span of a row, as llama.cpp quantizes them for such products.

use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Inputs that a sum is kept for: the smallest number that shares an integer scale.
const SIXTEEN: usize = 16;

/// Rows of quantized activations.
pub(in crate::weights) struct Activations {
    span: usize,
    /// Spans of a row.
    spans: usize,
    q: Vec<i8>,
    scales: Vec<f32>,
    /// Of every 16 integers.
    sums: Vec<i16>,
    /// Of every 32 integers.
    pair_sums: Vec<i16>,
}

/// One span of some rows.
#[derive(Clone, Copy)]
pub(in crate::weights) struct Span {
    q: *const i8,
    sums: *const i16,
    pair_sums: *const i16,
    /// Integers from a row to the next.
    stride: usize,
}

impl Activations {
    /// Quantizes `x [rows, width]`.
    pub(in crate::weights) fn quantize(x: &[f32], width: usize, span: usize) -> Self {
        let (rows, spans) = (x.len() / width, width.div_ceil(span));
        let len = rows * spans * span;
        let (mut q, mut scales) = (vec![0i8; len], vec![0.0f32; rows * spans]);
        let (mut sums, mut pair_sums) = (vec![0i16; len / SIXTEEN], vec![0i16; len / (2 * SIXTEEN)]);
        q.par_chunks_mut(spans * span)
            .zip(scales.par_chunks_mut(spans))
            .zip(sums.par_chunks_mut(spans * span / SIXTEEN))
            .zip(pair_sums.par_chunks_mut(spans * span / (2 * SIXTEEN)))
            .zip(x.par_chunks(width))
            .with_min_len(8)
            .for_each(|((((q, scales), sums), pair_sums), x)| {
                vectorized(
                    #[inline(always)]
                    || quantize_row(x, span, q, scales, sums, pair_sums),
                );
            });
        Activations { span, spans, q, scales, sums, pair_sums }
    }

    /// Integers that share a scale.
    pub(in crate::weights) fn span_len(&self) -> usize {
        self.span
    }

    pub(in crate::weights) fn spans(&self) -> usize {
        self.spans
    }

    pub(in crate::weights) fn rows(&self) -> usize {
        self.scales.len() / self.spans.max(1)
    }

    /// The scale of a span of a row.
    #[inline(always)]
    pub(in crate::weights) fn scale(&self, row: usize, span: usize) -> f32 {
        self.scales[row * self.spans + span]
    }

    /// One span of the rows from `row` on.
    #[inline(always)]
    pub(in crate::weights) fn span(&self, row: usize, span: usize) -> Span {
        let first = (row * self.spans + span) * self.span;
        Span {
            q: self.q[first..].as_ptr(),
            sums: self.sums[first / SIXTEEN..].as_ptr(),
            pair_sums: self.pair_sums[first / (2 * SIXTEEN)..].as_ptr(),
            stride: self.spans * self.span,
        }
    }

    /// The integers of a span of a row.
    pub(in crate::weights) fn integers(&self, row: usize, span: usize) -> &[i8] {
        &self.q[(row * self.spans + span) * self.span..][..self.span]
    }
}

#[inline(always)]
fn quantize_row(x: &[f32], span: usize, q: &mut [i8], scales: &mut [f32], sums: &mut [i16], pair_sums: &mut [i16]) {
    /// Adding it leaves the nearest integer, ties to even, in the low bits.
    const ROUND: f32 = 12_582_912.0;
    for ((x, q), scale) in x.chunks(span).zip(q.chunks_mut(span)).zip(scales) {
        // The bits of what is not negative are ordered as the numbers are; what is not a number is above infinity.
        let largest = f32::from_bits(x.iter().fold(0u32, |max, x| max.max(x.to_bits() & 0x7FFF_FFFF)));
        *scale = largest / 127.0;
        let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
        for (q, x) in q.iter_mut().zip(x) {
            *q = (x * inverse + ROUND).to_bits() as i8;
        }
    }
    for (sum, q) in sums.iter_mut().zip(q.as_chunks::<SIXTEEN>().0) {
        *sum = q.iter().map(|q| i16::from(*q)).sum();
    }
    for (sum, pair) in pair_sums.iter_mut().zip(sums.as_chunks::<2>().0) {
        *sum = pair[0] + pair[1];
    }
}

impl Span {
    /// Four integers of a row.
    ///
    /// # Safety
    /// The row and the group are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn four(&self, row: usize, group: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.q.add(row * self.stride + group * 4).cast::<i32>().read_unaligned() }
    }

    /// The sums of 16 integers each, of two neighbours: those of the 32 inputs `index`.
    ///
    /// # Safety
    /// The row and the index are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn sums_of_16(&self, row: usize, index: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.sums.add(row * self.stride / 16 + index * 2).cast::<i32>().read_unaligned() }
    }

    /// The sums of 32 integers each, of two neighbours: those of the 64 inputs `index`.
    ///
    /// # Safety
    /// The row and the index are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn sums_of_32(&self, row: usize, index: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.pair_sums.add(row * self.stride / 32 + index * 2).cast::<i32>().read_unaligned() }
    }

    /// The sum of the first 32 integers of a row.
    ///
    /// # Safety
    /// The row is inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn sum(&self, row: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { i32::from(*self.pair_sums.add(row * self.stride / 32)) }
    }
}
