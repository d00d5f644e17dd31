//! The kernels on slices: one task a sequence and head, or group of heads, one block of queries at a time.

use super::super::softcap;
use super::few::{self, FEW};
use super::{Gradients, Heads, Span};
use crate::error::{Code, Error, Result};
use crate::tensor::columns::Columns;
use crate::tensor::exp::{exp_sum, largest};
use crate::tensor::gemm::{Mat, gemm};
use crate::tensor::rows_apart::RowsApart;
use crate::tensor::simd::{dot, vectorized};
use crate::tensor::{Element, Matrix, buffers};
use gemm::Parallelism;
use rayon::prelude::*;

/// Query rows whose scores exist at the same time.
const BLOCK: usize = 64;
/// The same where they exist under all heads of a group. Divides `BLOCK`.
const TILE: usize = 32;

/// Rows of scores that a task has at a time: backward has those of a block and their gradients.
pub(super) fn score_rows(group: usize) -> usize {
    (2 * BLOCK).max(TILE.max(few::FEW) * group)
}

/// The keys and values row by row, `[keys, keys · dim]`.
pub(super) fn forward<E: Element>(heads: Heads, spans: &[Span], q: &Matrix, [k, v]: [&[E]; 2]) -> Result<Matrix> {
    let (tokens, q) = (q.rows(), q.slice()?);
    debug_assert_eq!(spans.iter().map(|span| span.queries.len()).sum::<usize>(), tokens, "spans cover every row");
    let mut out = buffers::take(tokens * heads.queries * heads.dim)?;
    let columns = Columns::of(&mut out, heads.queries * heads.dim);
    // Keys that are brought together serve all heads of their group, unless threads would have nothing to do.
    let together = if spans.len() * heads.keys < rayon::current_num_threads() { 1 } else { heads.group() };
    pairs(spans, heads.queries / together).into_par_iter().for_each(|(span, task)| {
        let of_task = task * together..(task + 1) * together;
        // By blocks: those of a prompt begin at the same tokens, in however many pieces it is read.
        let rows = span.queries.len();
        let few = if rows % BLOCK <= FEW { rows % BLOCK } else { 0 };
        if few > 0 {
            few::forward(heads, span, rows - few..rows, of_task.clone(), q, [k, v], &columns);
        }
        if few == rows {
            return;
        }
        let operands = Operands::of(heads, span, of_task.start / heads.group(), q, [k, v]);
        // The queries of all heads, `[rows, heads, dim]`: keys that are packed for a product serve them all.
        let (mut queries, mut scores, mut block_out) = (Vec::new(), Vec::new(), Vec::new());
        let (column, width) = (of_task.start * heads.dim, together * heads.dim);
        for start in (0..rows - few).step_by(TILE) {
            let block = Block::new(span, start, TILE.min(rows - few - start), heads.window);
            queries.clear();
            for row in block.query_row()..block.query_row() + block.rows {
                queries.extend_from_slice(&q[row * heads.queries * heads.dim + column..][..width]);
            }
            let queries = Mat::new(&queries, block.rows * together, heads.dim);
            operands.scores(&block, queries, &mut scores);
            softmax(&block, together, &mut scores);
            block_out.resize(block.rows * width, 0.0);
            let probabilities = Mat::new(&scores, block.rows * together, block.width());
            gemm(&mut block_out, heads.dim, false, probabilities, operands.value(&block), 1.0, Parallelism::None);
            columns.write(block.query_row(), column, width, &block_out);
        }
    });
    Ok(Matrix::host(tokens, heads.queries * heads.dim, out))
}

/// One task a key head, which alone adds to its dk and dv.
pub(super) fn backward(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
    dout: &Matrix,
) -> Result<Gradients> {
    if spans.iter().any(|span| span.keys.len() != 1) {
        return Err(Error::new(Code::Internal, "the backward pass of attention over keys in several runs"));
    }
    let (tokens, key_tokens) = (q.rows(), k.rows());
    let (q, k, v, dout) = (q.slice()?, k.slice()?, v.slice()?, dout.slice()?);
    let (query_width, key_width, dim) = (heads.queries * heads.dim, heads.keys * heads.dim, heads.dim);
    debug_assert_eq!(spans.iter().map(Span::num_keys).sum::<usize>(), key_tokens, "spans cover every row");
    let mut dq = buffers::take(tokens * query_width)?;
    let (mut dk, mut dv) = (buffers::take(key_tokens * key_width)?, buffers::take(key_tokens * key_width)?);
    let dq_columns = Columns::of(&mut dq, query_width);
    let (dk_columns, dv_columns) = (Columns::of(&mut dk, key_width), Columns::of(&mut dv, key_width));
    // One task per key head, which alone adds to its dk and dv: deterministic, and no two tasks meet.
    pairs(spans, heads.keys).into_par_iter().for_each(|(span, key_head)| {
        let operands = Operands::of(heads, span, key_head, q, [k, v]);
        let (mut scores, mut dscores, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
        let mut span_dk = vec![0.0f32; span.num_keys() * dim];
        let mut span_dv = vec![0.0f32; span.num_keys() * dim];
        let mut block_dq = vec![0.0f32; BLOCK.min(span.queries.len()) * dim];
        for head in key_head * heads.group()..(key_head + 1) * heads.group() {
            for start in (0..span.queries.len()).step_by(BLOCK) {
                let block = Block::new(span, start, BLOCK.min(span.queries.len() - start), heads.window);
                let width = block.width();
                let queries = operands.query(&block, head);
                operands.scores(&block, queries, &mut scores);
                slopes_of(heads, &scores, &mut slopes);
                softmax(&block, 1, &mut scores);
                let dout =
                    Mat::strided(&dout[block.query_row() * query_width + head * dim..], block.rows, dim, query_width);
                let seen = block.first_key * dim..(block.first_key + width) * dim;
                let p = Mat::new(&scores, block.rows, width);
                gemm(&mut span_dv[seen.clone()], dim, true, p.t(), dout, 1.0, Parallelism::None);
                dscores.resize(block.rows * width, 0.0);
                gemm(&mut dscores, width, false, dout, operands.value(&block).t(), 1.0, Parallelism::None);
                softmax_backward(&scores, &mut dscores, width, heads.scale);
                dscores.iter_mut().zip(&slopes).for_each(|(dscore, slope)| *dscore *= slope);
                let ds = Mat::new(&dscores, block.rows, width);
                let block_dq = &mut block_dq[..block.rows * dim];
                gemm(block_dq, dim, false, ds, operands.key(&block), 1.0, Parallelism::None);
                dq_columns.write(block.query_row(), head * dim, dim, block_dq);
                gemm(&mut span_dk[seen], dim, true, ds.t(), queries, 1.0, Parallelism::None);
            }
        }
        dk_columns.write(span.keys[0].start, key_head * dim, dim, &span_dk);
        dv_columns.write(span.keys[0].start, key_head * dim, dim, &span_dv);
    });
    Ok(Gradients {
        dq: Matrix::host(tokens, query_width, dq),
        dk: Matrix::host(key_tokens, key_width, dk),
        dv: Matrix::host(key_tokens, key_width, dv),
    })
}

fn pairs(spans: &[Span], heads: usize) -> Vec<(&Span, usize)> {
    spans.iter().flat_map(|span| (0..heads).map(move |head| (span, head))).collect()
}

/// The slopes of the soft cap at the scores; none where there is no cap.
fn slopes_of(heads: Heads, scores: &[f32], slopes: &mut Vec<f32>) {
    slopes.clear();
    slopes.extend(heads.softcap.into_iter().flat_map(|c| scores.iter().map(move |score| softcap::slope(*score, c))));
}

/// `ds = scale · p · (dp − Σ p·dp)`, row by row, in place of `dp`.
fn softmax_backward(p: &[f32], dp: &mut [f32], width: usize, scale: f32) {
    for (p, dp) in p.chunks_exact(width).zip(dp.chunks_exact_mut(width)) {
        vectorized(
            #[inline(always)]
            || {
                let sum = dot(p, dp);
                for (p, dp) in p.iter().zip(dp.iter_mut()) {
                    *dp = scale * p * (*dp - sum);
                }
            },
        );
    }
}

/// A run of query rows of one span and the keys any of them sees.
struct Block<'a> {
    span: &'a Span,
    start: usize,
    rows: usize,
    first_key: usize,
    end_key: usize,
    window: Option<usize>,
}

impl<'a> Block<'a> {
    fn new(span: &'a Span, start: usize, rows: usize, window: Option<usize>) -> Self {
        let first_key = span.visible(start, window).start;
        let end_key = span.visible(start + rows - 1, window).end;
        Block { span, start, rows, first_key, end_key, window }
    }

    fn width(&self) -> usize {
        self.end_key - self.first_key
    }

    fn query_row(&self) -> usize {
        self.span.queries.start + self.start
    }

    /// The columns of row `i` that are not masked.
    fn visible(&self, i: usize) -> std::ops::Range<usize> {
        let seen = self.span.visible(self.start + i, self.window);
        seen.start - self.first_key..seen.end - self.first_key
    }
}

/// The queries of a sequence, and its keys and values of one head, one after the other in the order of positions.
struct Operands<'a> {
    heads: Heads,
    q: &'a [f32],
    k: Keys<'a>,
    v: Keys<'a>,
}

enum Keys<'a> {
    /// Where they are: `[keys, keys · dim]` from the head's first feature on.
    InPlace { data: &'a [f32], stride: usize },
    /// Brought together from the blocks of a pool, or from f16, `[keys, dim]`.
    Gathered(Vec<f32>),
}

impl<'a> Keys<'a> {
    fn of<E: Element>(heads: Heads, span: &Span, key_head: usize, data: &'a [E]) -> Self {
        let (stride, column) = (heads.keys * heads.dim, key_head * heads.dim);
        if let ([run], Some(data)) = (span.keys.as_slice(), E::as_f32(data)) {
            return Keys::InPlace { data: &data[run.start * stride + column..], stride };
        }
        let mut gathered = Vec::new();
        RowsApart::together(data, stride, &span.keys, column..column + heads.dim, &mut gathered);
        Keys::Gathered(gathered)
    }

    fn rows(&self, block: &Block<'_>, dim: usize) -> Mat<'_> {
        match self {
            Keys::InPlace { data, stride } => {
                Mat::strided(&data[block.first_key * stride..], block.width(), dim, *stride)
            }
            Keys::Gathered(data) => Mat::new(&data[block.first_key * dim..], block.width(), dim),
        }
    }
}

impl<'a> Operands<'a> {
    fn of<E: Element>(heads: Heads, span: &Span, key_head: usize, q: &'a [f32], [k, v]: [&'a [E]; 2]) -> Self {
        Operands { heads, q, k: Keys::of(heads, span, key_head, k), v: Keys::of(heads, span, key_head, v) }
    }

    fn query(&self, block: &Block<'_>, head: usize) -> Mat<'_> {
        let width = self.heads.queries * self.heads.dim;
        let start = block.query_row() * width + head * self.heads.dim;
        Mat::strided(&self.q[start..], block.rows, self.heads.dim, width)
    }

    fn key(&self, block: &Block<'_>) -> Mat<'_> {
        self.k.rows(block, self.heads.dim)
    }

    fn value(&self, block: &Block<'_>) -> Mat<'_> {
        self.v.rows(block, self.heads.dim)
    }

    /// The scores of queries of one block, `[queries, width]`, into `out`.
    fn scores(&self, block: &Block<'_>, queries: Mat<'_>, out: &mut Vec<f32>) {
        let width = block.width();
        // What is left of another block is written over.
        out.resize(queries.rows() * width, 0.0);
        gemm(out, width, false, queries, self.key(block).t(), self.heads.scale, Parallelism::None);
        if let Some(c) = self.heads.softcap {
            vectorized(
                #[inline(always)]
                || softcap::cap(out, c),
            );
        }
    }
}

/// Softmax of the scores that are not masked, in their place; 0 for the others. A row of the block has them under several
/// heads.
fn softmax(block: &Block<'_>, heads: usize, scores: &mut [f32]) {
    for (i, row) in scores.chunks_exact_mut(block.width()).enumerate() {
        let visible = block.visible(i / heads);
        row[..visible.start].fill(0.0);
        row[visible.end..].fill(0.0);
        let row = &mut row[visible];
        vectorized(
            #[inline(always)]
            || {
                let inverse = 1.0 / exp_sum(row, largest(row));
                row.iter_mut().for_each(|p| *p *= inverse);
            },
        );
    }
}
