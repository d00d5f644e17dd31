//! The operators composed of candle's own: the oracle of every kernel, and what a device without a kernel uses.
//!
//! They follow the formulas word by word, keep what a kernel would make again, and are tested on the CPU too, where
//! `Device::reference` forces them.

use super::kinds::{Activation, AdamFactors, Heads, Pairs, Span};
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x [rows, pieces · n]`, `weight [1, n]`
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let (shape, n) = (x.shape().clone(), weight.elem_count());
    let x = x.reshape(((), n))?;
    let rms = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    Ok(x.broadcast_div(&rms)?.broadcast_mul(weight)?.reshape(shape)?)
}

/// The gradient of `x`.
pub(super) fn rms_norm_backward(x: &Tensor, weight: &Tensor, eps: f64, dy: &Tensor) -> Result<Tensor> {
    let (shape, n) = (x.shape().clone(), weight.elem_count());
    let (x, dy) = (x.reshape(((), n))?, dy.reshape(((), n))?);
    let inv = ((x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip())?;
    let g = dy.broadcast_mul(weight)?;
    let dot = ((&g * &x)?.sum_keepdim(D::Minus1)? / n as f64)?;
    let pull = (dot * inv.powf(3.0)?)?;
    Ok((g.broadcast_mul(&inv)? - x.broadcast_mul(&pull)?)?.reshape(shape)?)
}

/// Rotates the first `2 · half` features of every head of `x [tokens, heads · head_dim]`; `cos, sin [tokens, half]`.
pub(super) fn rope(cos: &Tensor, sin: &Tensor, head_dim: usize, pairs: Pairs, x: &Tensor, sign: f32) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    let (heads, half) = (width / head_dim, cos.dim(1)?);
    let x = x.reshape((tokens, heads, head_dim))?;
    // The dimension of a pair, and that of the pairs.
    let (shape, pair) = match pairs {
        Pairs::Halves => ((tokens, heads, 2, half), 2),
        Pairs::Neighbours => ((tokens, heads, half, 2), 3),
    };
    let rotated = x.narrow(2, 0, 2 * half)?.contiguous()?.reshape(shape)?;
    let (x1, x2) = (rotated.narrow(pair, 0, 1)?, rotated.narrow(pair, 1, 1)?);
    let by_pair = |x: &Tensor| x.reshape((tokens, 1, half))?.unsqueeze(pair);
    let (cos, sin) = (by_pair(cos)?, (by_pair(sin)? * f64::from(sign))?);
    let y1 = (x1.broadcast_mul(&cos)? - x2.broadcast_mul(&sin)?)?;
    let y2 = (x2.broadcast_mul(&cos)? + x1.broadcast_mul(&sin)?)?;
    let y = Tensor::cat(&[y1, y2], pair)?.reshape((tokens, heads, 2 * half))?;
    let y = match head_dim - 2 * half {
        0 => y,
        rest => Tensor::cat(&[y, x.narrow(2, 2 * half, rest)?], 2)?,
    };
    Ok(y.reshape((tokens, width))?)
}

/// `act(gate) · up`
pub(super) fn swiglu(kind: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    Ok((activation(kind, gate)? * up)?)
}

/// The output again, and the gradients of `gate` and `up`.
pub(super) fn swiglu_backward(kind: Activation, gate: &Tensor, up: &Tensor, dy: &Tensor) -> Result<[Tensor; 3]> {
    let value = activation(kind, gate)?;
    let dgate = (activation_slope(kind, gate)? * up * dy)?;
    Ok([(&value * up)?, dgate, (value * dy)?])
}

fn activation(kind: Activation, x: &Tensor) -> Result<Tensor> {
    Ok(match kind {
        Activation::Silu => x.silu()?,
        Activation::GeluTanh => x.gelu()?,
    })
}

fn activation_slope(kind: Activation, x: &Tensor) -> Result<Tensor> {
    Ok(match kind {
        Activation::Silu => {
            let sigmoid = (x.neg()?.exp()? + 1.0)?.recip()?;
            let rest = (x * (1.0 - &sigmoid)?)?;
            (sigmoid * (rest + 1.0)?)?
        }
        Activation::GeluTanh => {
            let (root, cubic) = ((2.0 / std::f64::consts::PI).sqrt(), 0.044715);
            let tanh = ((x + (x.powf(3.0)? * cubic)?)? * root)?.tanh()?;
            let rising = ((&tanh + 1.0)? * 0.5)?;
            let inner = (((x.sqr()? * (3.0 * cubic))? + 1.0)? * (0.5 * root))?;
            (rising + ((1.0 - tanh.sqr()?)? * (x * inner)?)?)?
        }
    })
}

/// What is added to the scores of each span: made on the host, so a copy for each span would hold the device up.
struct Masks {
    window: Option<usize>,
    /// Of the longest span that begins with its first key; a shorter one's is its corner.
    longest: Option<Tensor>,
}

impl Masks {
    fn new(heads: Heads, spans: &[Span], like: &Tensor) -> Result<Self> {
        let whole =
            spans.iter().filter(|span| span.queries.len() == span.num_keys()).max_by_key(|span| span.num_keys());
        let longest = whole.map(|span| Self::make(heads.window, span, like)).transpose()?;
        Ok(Masks { window: heads.window, longest })
    }

    /// `[1, queries, keys]`; none where a query sees every key.
    fn of(&self, span: &Span, like: &Tensor) -> Result<Option<Tensor>> {
        let (queries, keys) = (span.queries.len(), span.num_keys());
        if queries == 1 && span.visible(0, self.window).start == 0 {
            return Ok(None);
        }
        Ok(Some(match &self.longest {
            Some(mask) if queries == keys => mask.narrow(1, 0, queries)?.narrow(2, 0, keys)?,
            _ => Self::make(self.window, span, like)?,
        }))
    }

    fn make(window: Option<usize>, span: &Span, like: &Tensor) -> Result<Tensor> {
        let (queries, keys) = (span.queries.len(), span.num_keys());
        let mask: Vec<f32> = (0..queries)
            .flat_map(|i| {
                let visible = span.visible(i, window);
                (0..keys).map(move |j| if visible.contains(&j) { 0.0 } else { f32::NEG_INFINITY })
            })
            .collect();
        Ok(Tensor::from_vec(mask, (1, queries, keys), like.device())?)
    }
}

/// `c · tanh(x / c)`
pub(super) fn softcap(x: &Tensor, c: f32) -> Result<Tensor> {
    Ok(((x / f64::from(c))?.tanh()? * f64::from(c))?)
}

/// The slope of that where it gave `y`.
fn softcap_slope(y: &Tensor, c: f32) -> Result<Tensor> {
    Ok((1.0 - (y / f64::from(c))?.sqr()?)?)
}

/// Keys and values repeated for each query head, queries, probabilities and scores before their mask of one span,
/// head-major.
fn probabilities_of(
    heads: Heads,
    span: &Span,
    masks: &Masks,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
) -> Result<[Tensor; 5]> {
    let by_head = |x: &Tensor, start: usize, rows: usize, count: usize| -> Result<Tensor> {
        Ok(x.narrow(0, start, rows)?.reshape((rows, count, heads.dim))?.transpose(0, 1)?.contiguous()?)
    };
    let repeat = |x: Tensor| -> Result<Tensor> {
        let shape = (heads.keys, heads.group(), span.num_keys(), heads.dim);
        Ok(x.unsqueeze(1)?.broadcast_as(shape)?.reshape((heads.queries, span.num_keys(), heads.dim))?.contiguous()?)
    };
    let (queries, keys) = (span.queries.len(), span.num_keys());
    let of_keys = |x: &Tensor| -> Result<Tensor> {
        let runs = span.keys.iter().map(|run| Ok(x.narrow(0, run.start, run.len())?)).collect::<Result<Vec<_>>>()?;
        repeat(by_head(&Tensor::cat(&runs, 0)?, 0, keys, heads.keys)?)
    };
    let q = by_head(q, span.queries.start, queries, heads.queries)?;
    let (k, v) = (of_keys(k)?, of_keys(v)?);
    let scores = (q.matmul(&k.t()?)? * f64::from(heads.scale))?;
    let scores = match heads.softcap {
        Some(c) => softcap(&scores, c)?,
        None => scores,
    };
    let masked = match masks.of(span, &scores)? {
        Some(mask) => scores.broadcast_add(&mask)?,
        None => scores.clone(),
    };
    let e = masked.broadcast_sub(&masked.max_keepdim(D::Minus1)?)?.exp()?;
    let p = e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?;
    Ok([q, k, v, p, scores])
}

/// `[heads, rows, dim]` → `[rows, heads · dim]`
fn token_major(x: &Tensor) -> Result<Tensor> {
    let (heads, rows, dim) = x.dims3()?;
    Ok(x.transpose(0, 1)?.reshape((rows, heads * dim))?)
}

/// Causal attention of each span.
pub(super) fn attention(heads: Heads, spans: &[Span], q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let masks = Masks::new(heads, spans, q)?;
    let outputs = spans
        .iter()
        .map(|span| {
            let [_, _, v, p, _] = probabilities_of(heads, span, &masks, q, k, v)?;
            token_major(&p.matmul(&v)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&outputs, 0)?)
}

/// The gradients of `q`, `k` and `v`. Spans must tile queries and keys in order, as packed training batches do.
pub(super) fn attention_backward(
    heads: Heads,
    spans: &[Span],
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    dout: &Tensor,
) -> Result<[Tensor; 3]> {
    let masks = Masks::new(heads, spans, q)?;
    let (mut dqs, mut dks, mut dvs) = (Vec::new(), Vec::new(), Vec::new());
    for span in spans {
        let [q, k, v, p, scores] = probabilities_of(heads, span, &masks, q, k, v)?;
        let queries = span.queries.len();
        let dout = dout.narrow(0, span.queries.start, queries)?;
        let dout = dout.reshape((queries, heads.queries, heads.dim))?.transpose(0, 1)?.contiguous()?;
        let dp = dout.matmul(&v.t()?)?;
        let dot = (&p * &dp)?.sum_keepdim(D::Minus1)?;
        let ds = (&p * (dp.broadcast_sub(&dot)? * f64::from(heads.scale))?)?;
        let ds = match heads.softcap {
            Some(c) => (ds * softcap_slope(&scores, c)?)?,
            None => ds,
        };
        let fold = |x: Tensor| -> Result<Tensor> {
            token_major(&x.reshape((heads.keys, heads.group(), span.num_keys(), heads.dim))?.sum(1)?)
        };
        dqs.push(token_major(&ds.matmul(&k)?)?);
        dks.push(fold(ds.t()?.contiguous()?.matmul(&q)?)?);
        dvs.push(fold(p.t()?.contiguous()?.matmul(&dout)?)?);
    }
    Ok([Tensor::cat(&dqs, 0)?, Tensor::cat(&dks, 0)?, Tensor::cat(&dvs, 0)?])
}

/// −Σ ln softmax(logits)\[target\] over the rows of `logits [tokens, vocab]`, soft-capped, and its gradient times `factor`.
pub(super) fn softmax_loss(
    logits: &Tensor,
    cap: Option<f32>,
    targets: &[u32],
    factor: Option<f64>,
) -> Result<(f64, Tensor)> {
    let logits = &match cap {
        Some(c) => softcap(logits, c)?,
        None => logits.clone(),
    };
    let index = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_p = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let loss = -f64::from(log_p.gather(&index, 1)?.sum_all()?.to_scalar::<f32>()?);
    let Some(factor) = factor else { return Ok((loss, shifted)) };
    let minus_one = Tensor::full(-1f32, index.shape(), logits.device())?;
    let dlogits = (log_p.exp()?.scatter_add(&index, &minus_one, 1)? * factor)?;
    Ok(match cap {
        Some(c) => (loss, (dlogits * softcap_slope(logits, c)?)?),
        None => (loss, dlogits),
    })
}

/// `to[row] += weight · from`, row by row.
pub(super) fn add_weighted(to: &Tensor, rows: &[u32], weights: &[f32], from: &Tensor) -> Result<Tensor> {
    Ok(to.index_add(&Tensor::new(rows, to.device())?, &scale_rows(from, weights)?, 0)?)
}

/// Each row times its weight.
pub(super) fn scale_rows(x: &Tensor, weights: &[f32]) -> Result<Tensor> {
    Ok(x.broadcast_mul(&Tensor::new(weights, x.device())?.unsqueeze(1)?)?)
}

/// The parameter and its moments after a step.
pub(super) fn adamw(
    f: AdamFactors,
    parameter: &Tensor,
    gradient: &Tensor,
    m: &Tensor,
    v: &Tensor,
) -> Result<[Tensor; 3]> {
    let gradient = (gradient * f64::from(f.clip))?;
    let first = ((m * f64::from(f.beta1))? + (&gradient * f64::from(f.new1))?)?;
    let second = ((v * f64::from(f.beta2))? + (gradient.sqr()? * f64::from(f.new2))?)?;
    let denominator = ((second.sqrt()? / f64::from(f.root_correction))? + f64::from(f.eps))?;
    let update = ((&first / denominator)? * f64::from(f.step_size))?;
    Ok([((parameter * f64::from(f.keep))? - update)?, first, second])
}
