//! Attention of the next tokens of a sequence: their products with its keys, where these lie in the blocks of a pool.
//!
//! All query rows and all heads of a group meet a few keys while those are in the first cache.

use super::super::softcap;
use super::{Heads, Span};
use crate::tensor::Element;
use crate::tensor::columns::Columns;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::rows_apart::{RowsApart, add_rows, dots};
use crate::tensor::simd::vectorized;
use std::ops::Range;

/// Query rows up to which bringing the keys together costs more than multiplying with them where they are.
pub(super) const FEW: usize = 32;
/// Keys that are looked at together.
const PIECE: usize = 32;
/// Rows so many bytes apart share a few places of the first cache, and push each other out of it.
const COLLIDING: usize = 4096;

/// `rows` of the queries of a span, under some query heads of one group.
pub(super) fn forward<E: Element>(
    heads: Heads,
    span: &Span,
    rows: Range<usize>,
    of_group: Range<usize>,
    q: &[f32],
    [k, v]: [&[E]; 2],
    out: &Columns,
) {
    let (dim, stride) = (heads.dim, heads.keys * heads.dim);
    let keys = span.visible(rows.start, heads.window).start..span.visible(rows.end - 1, heads.window).end;
    let queries: Vec<(usize, usize)> =
        rows.clone().flat_map(|row| of_group.clone().map(move |head| (row, head))).collect();
    let collide = queries.len() > 1 && (stride * size_of::<f32>()).is_multiple_of(COLLIDING);
    let column = of_group.start / heads.group() * dim;
    let mut key_head = KeyHead { stride, columns: column..column + dim, collide, copy: Vec::new() };
    let mut scores = vec![0.0f32; queries.len() * keys.len()];
    for (at, piece) in pieces(span, &keys) {
        let of_piece = key_head.rows(k, &piece);
        for (scores, (row, head)) in scores.chunks_exact_mut(keys.len()).zip(&queries) {
            let query = &q[((span.queries.start + row) * heads.queries + head) * dim..][..dim];
            dots(query, of_piece, heads.scale, &mut scores[at..at + piece.len()]);
        }
    }
    let mut sums = vec![0.0f32; queries.len() * dim];
    vectorized(
        #[inline(always)]
        || {
            for (scores, (row, _)) in scores.chunks_exact_mut(keys.len()).zip(&queries) {
                let seen = span.visible(*row, heads.window);
                let seen = seen.start - keys.start..seen.end - keys.start;
                scores[..seen.start].fill(0.0);
                scores[seen.end..].fill(0.0);
                let scores = &mut scores[seen];
                if let Some(c) = heads.softcap {
                    softcap::cap(scores, c);
                }
                let inverse = 1.0 / exp_sum(scores, largest(scores));
                scores.iter_mut().for_each(|p| *p *= inverse);
            }
            for (at, piece) in pieces(span, &keys) {
                let of_piece = key_head.rows(v, &piece);
                for (sums, scores) in sums.chunks_exact_mut(dim).zip(scores.chunks_exact(keys.len())) {
                    add_rows(sums, of_piece, &scores[at..at + piece.len()]);
                }
            }
        },
    );
    for (sums, (row, head)) in sums.chunks_exact(dim).zip(&queries) {
        out.write(span.queries.start + row, head * dim, dim, sums);
    }
}

/// Where a key head has its keys and values.
struct KeyHead {
    stride: usize,
    columns: Range<usize>,
    /// Whether its rows push each other out of the first cache.
    collide: bool,
    copy: Vec<f32>,
}

impl KeyHead {
    /// The rows of a piece as f32, where they are if that is as good.
    fn rows<'a, E: Element>(&'a mut self, matrix: &'a [E], piece: &Range<usize>) -> RowsApart<'a> {
        match E::as_f32(matrix) {
            Some(matrix) if !self.collide => RowsApart::of(matrix, self.stride, piece, self.columns.start),
            _ => RowsApart::together(
                matrix,
                self.stride,
                std::slice::from_ref(piece),
                self.columns.clone(),
                &mut self.copy,
            ),
        }
    }
}

/// The rows that hold those keys of a sequence, [`PIECE`] at most at a time; with each, where its first key is among them.
fn pieces(span: &Span, keys: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let keys = keys.clone();
    let mut before = 0;
    let runs = span.keys.iter().filter_map(move |run| {
        let (first, end) = (keys.start.max(before), keys.end.min(before + run.len()));
        let rows = run.start + first.saturating_sub(before)..(run.start + end).saturating_sub(before);
        let at = first.saturating_sub(keys.start);
        before += run.len();
        (first < end).then_some((at, rows))
    });
    runs.flat_map(|(at, rows)| {
        let end = rows.end;
        rows.clone().step_by(PIECE).map(move |start| (at + start - rows.start, start..end.min(start + PIECE)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_each_key_once_and_in_order() {
        let span = Span { queries: 0..1, keys: vec![100..164, 10..11, 200..264, 300..333] };
        let all: Vec<usize> = span.keys.iter().cloned().flatten().collect();
        for keys in [0..162, 0..1, 63..66, 64..65, 70..162, 129..130, 5..5] {
            let mut found = Vec::new();
            for (at, piece) in pieces(&span, &keys) {
                assert!(piece.len() <= PIECE && at == found.len(), "{keys:?}");
                found.extend(piece);
            }
            assert_eq!(found, all[keys]);
        }
    }
}
