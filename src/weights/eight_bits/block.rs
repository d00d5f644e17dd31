//! The integers of some rows, their scales, and the sums that products need.

use super::{SHORT, SIXTEEN};
use crate::tensor::simd::vectorized;

/// What is made of the rows of a block.
pub(super) struct Block<'a> {
    /// With those that `x` lacks.
    pub(super) rows: usize,
    pub(super) x: &'a [f32],
    pub(super) q: &'a mut [i8],
    pub(super) scales: &'a mut [f32],
    pub(super) sums: &'a mut [i16],
    pub(super) pair_sums: &'a mut [i16],
    pub(super) less_128: &'a mut [i32],
}

impl Block<'_> {
    pub(super) fn quantize<const LEN: usize>(self, width: usize, span: usize) {
        let rows = self.rows;
        let mut q = vec![0i8; width.next_multiple_of(span)];
        for (m, x) in self.x.chunks_exact(width).enumerate() {
            vectorized(
                #[inline(always)]
                || {
                    if span == SHORT {
                        // Of a length that is known here, which vectors hold.
                        let (whole, rest) = x.as_chunks::<SHORT>();
                        for (index, (x, q)) in whole.iter().zip(q.as_chunks_mut::<SHORT>().0).enumerate() {
                            self.scales[index * rows + m] = quantize_span(x, q);
                        }
                        if !rest.is_empty() {
                            let q = &mut q[whole.as_flattened().len()..];
                            self.scales[whole.len() * rows + m] = quantize_span(rest, q);
                        }
                        for (index, q) in q.as_chunks::<SHORT>().0.iter().enumerate() {
                            self.less_128[index * rows + m] = -128 * i32::from(sum(q));
                        }
                        return;
                    }
                    for (index, (x, q)) in x.chunks(span).zip(q.chunks_mut(span)).enumerate() {
                        self.scales[index * rows + m] = quantize_span(x, q);
                    }
                    for (index, q) in q.as_chunks::<SHORT>().0.iter().enumerate() {
                        let sixteens = q.as_chunks::<SIXTEEN>().0;
                        let (first, second) = (sum(&sixteens[0]), sum(&sixteens[1]));
                        self.sums.as_chunks_mut::<2>().0[index * rows + m] = [first, second];
                        self.pair_sums.as_chunks_mut::<2>().0[index / 2 * rows + m][index % 2] = first + second;
                    }
                },
            );
            let (groups, _) = self.q.as_chunks_mut::<LEN>();
            groups.iter_mut().skip(m).step_by(rows).zip(q.as_chunks::<LEN>().0).for_each(|(to, group)| *to = *group);
        }
    }
}

#[inline(always)]
fn sum<const N: usize>(q: &[i8; N]) -> i16 {
    let mut sum = 0;
    for q in q {
        sum += i16::from(*q);
    }
    sum
}

/// The integers of a span, those that `x` lacks 0, and their scale.
#[inline(always)]
fn quantize_span(x: &[f32], q: &mut [i8]) -> f32 {
    /// Adding it leaves the nearest integer, ties to even, in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // The bits of what is not negative are ordered as the numbers are; what is not a number is above infinity.
    let mut largest = 0u32;
    for x in x {
        largest = largest.max(x.to_bits() & 0x7FFF_FFFF);
    }
    let largest = f32::from_bits(largest);
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (q, x) in q.iter_mut().zip(x) {
        *q = (x * inverse + ROUND).to_bits() as i8;
    }
    scale
}
