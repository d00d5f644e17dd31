//! The kernel on slices: parameter, gradient and moments in one pass.

use super::{AdamFactors, Moments};
use crate::error::Result;
use crate::tensor::Matrix;
use crate::tensor::columns::CHUNK;
use crate::tensor::simd::vectorized;
use rayon::prelude::*;

pub(super) fn step(
    f: AdamFactors,
    parameter: &Matrix,
    gradient: &Matrix,
    moments: &Moments,
) -> Result<(Matrix, Moments)> {
    let (mut p, mut m, mut v) = (parameter.duplicate()?, moments.first.duplicate()?, moments.second.duplicate()?);
    let moved = m.slice_mut()?.par_chunks_mut(CHUNK).zip(v.slice_mut()?.par_chunks_mut(CHUNK));
    p.slice_mut()?.par_chunks_mut(CHUNK).zip(gradient.slice()?.par_chunks(CHUNK)).zip(moved).for_each(
        |((p, g), (m, v))| {
            vectorized(
                #[inline(always)]
                || {
                    for ((p, g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                        let g = g * f.clip;
                        *m = f.beta1 * *m + f.new1 * g;
                        *v = f.beta2 * *v + f.new2 * g * g;
                        *p = *p * f.keep - f.step_size * *m / (v.sqrt() / f.root_correction + f.eps);
                    }
                },
            );
        },
    );
    Ok((p, Moments { first: m, second: v }))
}
