//! Attention of the next tokens of a sequence: each query by itself, over its keys where they lie in the blocks of a pool.

use super::super::softcap;
use super::{Heads, Span};
use crate::tensor::columns::Columns;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::simd::{dot, vectorized};

/// Queries of a sequence up to which bringing its keys together costs more than multiplying with them one by one.
pub(super) const FEW: usize = 4;

/// One query head of one sequence.
pub(super) fn forward(heads: Heads, span: &Span, head: usize, [q, k, v]: [&[f32]; 3], out: &Columns) {
    let (dim, stride) = (heads.dim, heads.keys * heads.dim);
    let column = head / heads.group() * dim;
    let (mut scores, mut sums) = (Vec::new(), vec![0.0f32; dim]);
    for (index, row) in span.queries.clone().enumerate() {
        let query = &q[row * heads.queries * dim + head * dim..][..dim];
        let visible = span.visible(index, heads.window);
        let starts = || span.keys.iter().cloned().flatten().skip(visible.start).take(visible.len());
        scores.clear();
        vectorized(
            #[inline(always)]
            || {
                for start in starts() {
                    let key = &k[start * stride + column..][..dim];
                    scores.push(heads.scale * dot(query, key));
                }
                if let Some(c) = heads.softcap {
                    softcap::cap(&mut scores, c);
                }
                let most = largest(&scores);
                let inverse = 1.0 / exp_sum(&mut scores, most);
                sums.fill(0.0);
                for (p, start) in scores.iter().zip(starts()) {
                    let value = &v[start * stride + column..][..dim];
                    sums.iter_mut().zip(value).for_each(|(sum, value)| *sum += p * inverse * value);
                }
            },
        );
        out.write(row, head * dim, dim, &sums);
    }
}
