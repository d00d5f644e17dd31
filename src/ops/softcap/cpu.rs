//! The kernel on slices.

use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::columns::CHUNK;
use crate::tensor::exp::exp;
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

/// Caps `row` in place.
#[inline(always)]
pub(in crate::ops) fn cap(row: &mut [f32], c: f32) {
    let inverse = 1.0 / c;
    for x in row {
        let t = *x * inverse;
        // Near 0 the difference from 1 would lose the digits that the series has.
        let square = t * t;
        let near = t * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0))));
        let far = 1.0 - 2.0 / (exp(2.0 * t) + 1.0);
        *x = c * if t.abs() < 0.2 { near } else { far };
    }
}

/// The slope at what was capped to `y`.
#[inline(always)]
pub(in crate::ops) fn slope(y: f32, c: f32) -> f32 {
    let tanh = y / c;
    1.0 - tanh * tanh
}

pub(super) fn forward(x: &mut Matrix, c: f32) -> Result<()> {
    x.slice_mut()?.par_chunks_mut(CHUNK).for_each(|x| {
        vectorized(
            #[inline(always)]
            || cap(x, c),
        );
    });
    Ok(())
}
