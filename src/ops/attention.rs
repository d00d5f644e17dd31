//! Causal attention over packed sequences, with grouped key/value heads.
//!
//! Queries, keys and values are flat `[tokens, heads · head_dim]`; [`Span`]s say which rows belong together, so documents
//! packed into one batch never see each other and no padding exists. Scores are made one block of queries at a time and
//! never stored: backward computes them again (Dao et al. 2022, without the on-chip tiling that a CPU has no need of).

use super::buffers;
use super::exp::{exp_sum, largest};
use super::host::{self, Columns, View};
use super::matmul::{Mat, gemm};
use super::simd::{sum, vectorized};
use crate::error::Result;
use candle_core::{D, DType, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;

/// Query rows whose scores exist at the same time.
const BLOCK: usize = 64;

/// What does not change between layers' calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) queries: usize,
    /// Key/value heads; divides `queries`.
    pub(crate) keys: usize,
    /// Features per head.
    pub(crate) dim: usize,
    /// Keys a query sees, itself included; `None` for all before it.
    pub(crate) window: Option<usize>,
}

impl Heads {
    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    fn group(&self) -> usize {
        self.queries / self.keys
    }
}

/// One sequence: the last query sees the last key, the one before it the key before, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First query row.
    pub(crate) query: usize,
    /// Number of query rows.
    pub(crate) queries: usize,
    /// First key row.
    pub(crate) key: usize,
    /// Number of key rows, at least `queries`.
    pub(crate) keys: usize,
}

impl Span {
    /// The keys that query `i` of the span sees, relative to `self.key`.
    fn visible(&self, i: usize, window: Option<usize>) -> std::ops::Range<usize> {
        let end = self.keys - self.queries + i + 1;
        end.saturating_sub(window.unwrap_or(usize::MAX))..end
    }
}

/// Bytes of the scores of a block of queries with `keys` keys.
pub(crate) fn score_bytes(keys: usize) -> u64 {
    (BLOCK * keys * size_of::<f32>()) as u64
}

/// `q [tokens, queries · dim]`, `k, v [keys, keys · dim]` → `[tokens, queries · dim]`. The spans cover every row.
pub(crate) fn forward(heads: Heads, spans: &[Span], q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    if !host::applies(q) {
        return composed(heads, spans, q, k, v);
    }
    let tokens = q.dim(0)?;
    let (qv, kv, vv) = (View::of(q)?, View::of(k)?, View::of(v)?);
    let operands = Operands { heads, q: &qv, k: &kv, v: &vv };
    debug_assert_eq!(spans.iter().map(|span| span.queries).sum::<usize>(), tokens, "spans cover every row");
    let mut out = buffers::take(tokens * heads.queries * heads.dim)?;
    let columns = Columns::of(&mut out, heads.queries * heads.dim);
    let tasks: Vec<(Span, usize)> = pairs(spans, heads.queries);
    tasks.into_par_iter().for_each(|(span, head)| {
        let mut scores = Vec::new();
        let mut block_out = vec![0.0f32; BLOCK.min(span.queries) * heads.dim];
        for start in (0..span.queries).step_by(BLOCK) {
            let block = Block::new(span, start, heads.window);
            operands.probabilities(&block, head, &mut scores);
            let block_out = &mut block_out[..block.rows * heads.dim];
            let probabilities = Mat::new(&scores, block.rows, block.width());
            gemm(block_out, heads.dim, false, probabilities, operands.value(&block, head), 1.0, Parallelism::None);
            columns.write(block.query_row(), head * heads.dim, heads.dim, block_out);
        }
    });
    host::tensor(out, tokens, heads.queries * heads.dim)
}

/// The gradients of `q`, `k` and `v`.
pub(crate) fn backward(
    heads: Heads,
    spans: &[Span],
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    dout: &Tensor,
) -> Result<(Tensor, Tensor, Tensor)> {
    if !host::applies(q) {
        return composed_backward(heads, spans, q, k, v, dout);
    }
    let (tokens, key_tokens) = (q.dim(0)?, k.dim(0)?);
    let (qv, kv, vv, dov) = (View::of(q)?, View::of(k)?, View::of(v)?, View::of(dout)?);
    let operands = Operands { heads, q: &qv, k: &kv, v: &vv };
    let (query_width, key_width, dim) = (heads.queries * heads.dim, heads.keys * heads.dim, heads.dim);
    debug_assert_eq!(spans.iter().map(|span| span.keys).sum::<usize>(), key_tokens, "spans cover every row");
    let mut dq = buffers::take(tokens * query_width)?;
    let (mut dk, mut dv) = (buffers::take(key_tokens * key_width)?, buffers::take(key_tokens * key_width)?);
    let dq_columns = Columns::of(&mut dq, query_width);
    let (dk_columns, dv_columns) = (Columns::of(&mut dk, key_width), Columns::of(&mut dv, key_width));
    // One task per key head, which alone adds to its dk and dv: deterministic, and no two tasks meet.
    pairs(spans, heads.keys).into_par_iter().for_each(|(span, key_head)| {
        let (mut scores, mut dscores) = (Vec::new(), Vec::new());
        let mut span_dk = vec![0.0f32; span.keys * dim];
        let mut span_dv = vec![0.0f32; span.keys * dim];
        let mut block_dq = vec![0.0f32; BLOCK.min(span.queries) * dim];
        for head in key_head * heads.group()..(key_head + 1) * heads.group() {
            for start in (0..span.queries).step_by(BLOCK) {
                let block = Block::new(span, start, heads.window);
                let width = block.width();
                operands.probabilities(&block, head, &mut scores);
                let dout =
                    Mat::strided(&dov[block.query_row() * query_width + head * dim..], block.rows, dim, query_width);
                let seen = block.first_key * dim..(block.first_key + width) * dim;
                let p = Mat::new(&scores, block.rows, width);
                gemm(&mut span_dv[seen.clone()], dim, true, p.t(), dout, 1.0, Parallelism::None);
                dscores.clear();
                dscores.resize(block.rows * width, 0.0);
                gemm(&mut dscores, width, false, dout, operands.value(&block, head).t(), 1.0, Parallelism::None);
                softmax_backward(&scores, &mut dscores, width, heads.scale());
                let ds = Mat::new(&dscores, block.rows, width);
                let block_dq = &mut block_dq[..block.rows * dim];
                gemm(block_dq, dim, false, ds, operands.key(&block, head), 1.0, Parallelism::None);
                dq_columns.write(block.query_row(), head * dim, dim, block_dq);
                let queries = operands.query(&block, head);
                gemm(&mut span_dk[seen], dim, true, ds.t(), queries, 1.0, Parallelism::None);
            }
        }
        dk_columns.write(span.key, key_head * dim, dim, &span_dk);
        dv_columns.write(span.key, key_head * dim, dim, &span_dv);
    });
    Ok((
        host::tensor(dq, tokens, query_width)?,
        host::tensor(dk, key_tokens, key_width)?,
        host::tensor(dv, key_tokens, key_width)?,
    ))
}

fn pairs(spans: &[Span], heads: usize) -> Vec<(Span, usize)> {
    spans.iter().flat_map(|span| (0..heads).map(move |head| (*span, head))).collect()
}

/// `ds = scale · p · (dp − Σ p·dp)`, row by row, in place of `dp`.
fn softmax_backward(p: &[f32], dp: &mut [f32], width: usize, scale: f32) {
    for (p, dp) in p.chunks_exact(width).zip(dp.chunks_exact_mut(width)) {
        vectorized(
            #[inline(always)]
            || {
                let dot = sum(width, |i| p[i] * dp[i]);
                for (p, dp) in p.iter().zip(dp.iter_mut()) {
                    *dp = scale * p * (*dp - dot);
                }
            },
        );
    }
}

/// A run of query rows of one span and the keys any of them sees.
struct Block {
    span: Span,
    start: usize,
    rows: usize,
    first_key: usize,
    end_key: usize,
    window: Option<usize>,
}

impl Block {
    fn new(span: Span, start: usize, window: Option<usize>) -> Self {
        let rows = BLOCK.min(span.queries - start);
        let first_key = span.visible(start, window).start;
        let end_key = span.visible(start + rows - 1, window).end;
        Block { span, start, rows, first_key, end_key, window }
    }

    fn width(&self) -> usize {
        self.end_key - self.first_key
    }

    fn query_row(&self) -> usize {
        self.span.query + self.start
    }

    fn key_row(&self) -> usize {
        self.span.key + self.first_key
    }

    /// The columns of row `i` that are not masked.
    fn visible(&self, i: usize) -> std::ops::Range<usize> {
        let seen = self.span.visible(self.start + i, self.window);
        seen.start - self.first_key..seen.end - self.first_key
    }
}

struct Operands<'a> {
    heads: Heads,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
}

impl Operands<'_> {
    fn query(&self, block: &Block, head: usize) -> Mat<'_> {
        let width = self.heads.queries * self.heads.dim;
        let start = block.query_row() * width + head * self.heads.dim;
        Mat::strided(&self.q[start..], block.rows, self.heads.dim, width)
    }

    fn key(&self, block: &Block, head: usize) -> Mat<'_> {
        self.of_key_head(self.k, block, head)
    }

    fn value(&self, block: &Block, head: usize) -> Mat<'_> {
        self.of_key_head(self.v, block, head)
    }

    fn of_key_head<'a>(&self, data: &'a [f32], block: &Block, head: usize) -> Mat<'a> {
        let width = self.heads.keys * self.heads.dim;
        let start = block.key_row() * width + head / self.heads.group() * self.heads.dim;
        Mat::strided(&data[start..], block.width(), self.heads.dim, width)
    }

    /// Softmax of the masked scores of one block, `[rows, width]`, into `out`.
    fn probabilities(&self, block: &Block, head: usize, out: &mut Vec<f32>) {
        let width = block.width();
        out.clear();
        out.resize(block.rows * width, 0.0);
        let scale = self.heads.scale();
        gemm(out, width, false, self.query(block, head), self.key(block, head).t(), scale, Parallelism::None);
        for (i, row) in out.chunks_exact_mut(width).enumerate() {
            let visible = block.visible(i);
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
}

/// What is added to the scores of each span: made on the host, so a copy for each span would hold the device up.
struct Masks {
    window: Option<usize>,
    /// Of the longest span that begins with its first key; a shorter one's is its corner.
    longest: Option<Tensor>,
}

impl Masks {
    fn new(heads: Heads, spans: &[Span], like: &Tensor) -> Result<Self> {
        let whole = spans.iter().filter(|span| span.queries == span.keys).max_by_key(|span| span.keys);
        let longest = whole.map(|span| Self::make(heads.window, span, like)).transpose()?;
        Ok(Masks { window: heads.window, longest })
    }

    /// `[1, queries, keys]`; none where a query sees every key.
    fn of(&self, span: &Span, like: &Tensor) -> Result<Option<Tensor>> {
        if span.queries == 1 && span.visible(0, self.window).start == 0 {
            return Ok(None);
        }
        Ok(Some(match &self.longest {
            Some(mask) if span.queries == span.keys => mask.narrow(1, 0, span.queries)?.narrow(2, 0, span.keys)?,
            _ => Self::make(self.window, span, like)?,
        }))
    }

    fn make(window: Option<usize>, span: &Span, like: &Tensor) -> Result<Tensor> {
        let mask: Vec<f32> = (0..span.queries)
            .flat_map(|i| {
                let visible = span.visible(i, window);
                (0..span.keys).map(move |j| if visible.contains(&j) { 0.0 } else { f32::NEG_INFINITY })
            })
            .collect();
        Ok(Tensor::from_vec(mask, (1, span.queries, span.keys), like.device())?.to_dtype(like.dtype())?)
    }
}

/// Keys and values repeated for each query head, queries, and probabilities of one span, head-major.
fn composed_span(heads: Heads, span: &Span, masks: &Masks, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<[Tensor; 4]> {
    let by_head = |x: &Tensor, start: usize, rows: usize, count: usize| -> Result<Tensor> {
        Ok(x.narrow(0, start, rows)?.reshape((rows, count, heads.dim))?.transpose(0, 1)?.contiguous()?)
    };
    let repeat = |x: Tensor| -> Result<Tensor> {
        let shape = (heads.keys, heads.group(), span.keys, heads.dim);
        Ok(x.unsqueeze(1)?.broadcast_as(shape)?.reshape((heads.queries, span.keys, heads.dim))?.contiguous()?)
    };
    let q = by_head(q, span.query, span.queries, heads.queries)?;
    let k = repeat(by_head(k, span.key, span.keys, heads.keys)?)?;
    let v = repeat(by_head(v, span.key, span.keys, heads.keys)?)?;
    let scores = (q.matmul(&k.t()?)? * f64::from(heads.scale()))?;
    let scores = match masks.of(span, &scores)? {
        Some(mask) => scores.broadcast_add(&mask)?,
        None => scores,
    };
    let e = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    let p = e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?;
    Ok([q, k, v, p])
}

/// `[heads, rows, dim]` → `[rows, heads · dim]`
fn token_major(x: &Tensor) -> Result<Tensor> {
    let (heads, rows, dim) = x.dims3()?;
    Ok(x.transpose(0, 1)?.reshape((rows, heads * dim))?)
}

fn composed(heads: Heads, spans: &[Span], q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let masks = Masks::new(heads, spans, q)?;
    let outputs = spans
        .iter()
        .map(|span| {
            let [_, _, v, p] = composed_span(heads, span, &masks, q, k, v)?;
            token_major(&p.matmul(&v)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&outputs, 0)?)
}

/// Spans must tile queries and keys in order, as packed training batches do.
fn composed_backward(
    heads: Heads,
    spans: &[Span],
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    dout: &Tensor,
) -> Result<(Tensor, Tensor, Tensor)> {
    let masks = Masks::new(heads, spans, q)?;
    let (mut dqs, mut dks, mut dvs) = (Vec::new(), Vec::new(), Vec::new());
    for span in spans {
        let [q, k, v, p] = composed_span(heads, span, &masks, q, k, v)?;
        let dout = dout.narrow(0, span.query, span.queries)?;
        let dout = dout.reshape((span.queries, heads.queries, heads.dim))?.transpose(0, 1)?.contiguous()?;
        let dp = dout.matmul(&v.t()?)?;
        let dot = (&p * &dp)?.sum_keepdim(D::Minus1)?;
        let ds = (&p * (dp.broadcast_sub(&dot)? * f64::from(heads.scale()))?)?;
        let fold = |x: Tensor| -> Result<Tensor> {
            token_major(&x.reshape((heads.keys, heads.group(), span.keys, heads.dim))?.sum(1)?)
        };
        dqs.push(token_major(&ds.matmul(&k)?)?);
        dks.push(fold(ds.t()?.contiguous()?.matmul(&q)?)?);
        dvs.push(fold(p.t()?.contiguous()?.matmul(&dout)?)?);
    }
    debug_assert_eq!(q.dtype(), DType::F32);
    Ok((Tensor::cat(&dqs, 0)?, Tensor::cat(&dks, 0)?, Tensor::cat(&dvs, 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, check_gradient, normal};

    /// Two packed documents, one longer than a block.
    fn packed(lens: &[usize]) -> Vec<Span> {
        let mut start = 0;
        lens.iter()
            .map(|&len| {
                start += len;
                Span { query: start - len, queries: len, key: start - len, keys: len }
            })
            .collect()
    }

    fn cases() -> Vec<(Heads, Vec<Span>)> {
        let heads = |window| Heads { queries: 4, keys: 2, dim: 6, window };
        vec![(heads(None), packed(&[7, 70])), (heads(Some(5)), packed(&[71, 3])), (heads(None), packed(&[1, 1]))]
    }

    fn inputs(heads: Heads, spans: &[Span]) -> [Tensor; 4] {
        let tokens = spans.iter().map(|s| s.queries).sum::<usize>();
        let (wide, narrow) = (heads.queries * heads.dim, heads.keys * heads.dim);
        [normal((tokens, wide), 1), normal((tokens, narrow), 2), normal((tokens, narrow), 3), normal((tokens, wide), 4)]
    }

    #[test]
    fn kernels_equal_the_composed_forms() {
        for (heads, spans) in cases() {
            let [q, k, v, dout] = inputs(heads, &spans);
            let y = forward(heads, &spans, &q, &k, &v).unwrap();
            assert_close(&y, &composed(heads, &spans, &q, &k, &v).unwrap(), 1e-5);
            let (dq, dk, dv) = backward(heads, &spans, &q, &k, &v, &dout).unwrap();
            let (eq, ek, ev) = composed_backward(heads, &spans, &q, &k, &v, &dout).unwrap();
            assert_close(&dq, &eq, 1e-5);
            assert_close(&dk, &ek, 1e-5);
            assert_close(&dv, &ev, 1e-5);
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let heads = Heads { queries: 4, keys: 2, dim: 6, window: None };
        let spans = packed(&[5, 3]);
        let [q, k, v, dout] = inputs(heads, &spans);
        let (dq, dk, dv) = backward(heads, &spans, &q, &k, &v, &dout).unwrap();
        check_gradient(&q, &dq, &dout, |q| forward(heads, &spans, q, &k, &v).unwrap());
        check_gradient(&k, &dk, &dout, |k| forward(heads, &spans, &q, k, &v).unwrap());
        check_gradient(&v, &dv, &dout, |v| forward(heads, &spans, &q, &k, v).unwrap());
    }

    #[test]
    fn a_document_does_not_see_its_neighbour_and_a_suffix_sees_its_prefix() {
        let heads = Heads { queries: 4, keys: 2, dim: 6, window: None };
        let [q, k, v, _] = inputs(heads, &packed(&[5, 3]));
        let both = forward(heads, &packed(&[5, 3]), &q, &k, &v).unwrap();
        let second = |x: &Tensor| x.narrow(0, 5, 3).unwrap().contiguous().unwrap();
        let alone = forward(heads, &packed(&[3]), &second(&q), &second(&k), &second(&v)).unwrap();
        assert_close(&second(&both), &alone, 1e-6);

        let whole = forward(heads, &packed(&[8]), &q, &k, &v).unwrap();
        let tail = Span { query: 0, queries: 3, key: 0, keys: 8 };
        let tail = forward(heads, &[tail], &second(&q), &k, &v).unwrap();
        assert_close(&tail, &second(&whole), 1e-6);
    }
}
