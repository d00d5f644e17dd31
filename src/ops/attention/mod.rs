//! Causal attention over packed sequences, with grouped key/value heads.
//!
//! Queries, keys and values are flat `[tokens, heads · head_dim]`; [`Span`]s say which rows belong together, so documents
//! packed into one batch never see each other and no padding exists. Scores are made one block of queries at a time and
//! never stored: backward computes them again (Dao et al. 2022, without the on-chip tiling that a CPU has no need of).

mod cpu;
mod cuda;
mod few;
mod keys_values;

pub(crate) use super::kinds::{Heads, Span};
use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::Operand;
pub(crate) use keys_values::{KeysValues, KvType};

/// Bytes of the scores with `keys` keys that a thread has at a time, where so many query heads share a key head.
pub(crate) fn score_bytes(keys: usize, group: usize) -> u64 {
    (cpu::score_rows(group) * keys * size_of::<f32>()) as u64
}

/// `q [tokens, queries · dim]`, `k, v [keys, keys · dim]` → `[tokens, queries · dim]`. The spans cover every row of `q`.
pub(crate) fn forward(heads: Heads, spans: &[Span], q: &Matrix, k: &Matrix, v: &Matrix) -> Result<Matrix> {
    if q.on_gpu() {
        return cuda::forward(heads, spans, q, k, v, false).map(|(out, _)| out);
    }
    match q.on_host() {
        true => cpu::forward(heads, spans, q, [k.slice()?, v.slice()?]),
        false => Matrix::of_tensor(&reference::attention(heads, spans, &q.tensor()?, &k.tensor()?, &v.tensor()?)?),
    }
}

/// Lets go of what this thread keeps of the last spans, which is memory of a card.
pub(crate) fn forget_spans() {
    cuda::forget_spans();
}

/// The same of keys and values that are kept, to be multiplied with weights that take it in 8 bits or not.
pub(crate) fn operand(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    kv: &KeysValues,
    eight_bits: bool,
) -> Result<Operand<'static>> {
    match kv {
        KeysValues::F16([k, v]) => cpu::forward(heads, spans, q, [k.elements(), v.elements()]).map(Operand::owned),
        KeysValues::EightBits([k, v]) => {
            cpu::forward(heads, spans, q, [k.elements(), v.elements()]).map(Operand::owned)
        }
        KeysValues::Activations([k, v]) if q.on_gpu() => {
            cuda::forward(heads, spans, q, k, v, eight_bits).map(|(out, bits)| Operand::with_eight_bits(out, bits))
        }
        KeysValues::Activations([k, v]) => forward(heads, spans, q, k, v).map(Operand::owned),
    }
}

/// The same for training: also what a backward pass would make again otherwise, ln Σ exp(score) of each query and head,
/// `[tokens, queries]`, where a kernel has it.
pub(crate) fn forward_saved(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
) -> Result<(Matrix, Option<Matrix>)> {
    match q.on_gpu() {
        true => cuda::forward_saved(heads, spans, q, k, v).map(|(out, sums)| (out, Some(sums))),
        false => Ok((forward(heads, spans, q, k, v)?, None)),
    }
}

/// The gradients of the operands, of their shapes.
pub(crate) struct Gradients {
    pub(crate) dq: Matrix,
    pub(crate) dk: Matrix,
    pub(crate) dv: Matrix,
}

/// The gradients of `q`, `k` and `v`. The spans cover every row of all three.
#[cfg(test)]
pub(crate) fn backward(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
    dout: &Matrix,
) -> Result<Gradients> {
    backward_saved(heads, spans, [q, k, v], None, dout)
}

/// The same, given what [`forward_saved`] gave, if that is still there.
pub(crate) fn backward_saved(
    heads: Heads,
    spans: &[Span],
    [q, k, v]: [&Matrix; 3],
    saved: Option<(&Matrix, &Matrix)>,
    dout: &Matrix,
) -> Result<Gradients> {
    if q.on_host() {
        return cpu::backward(heads, spans, q, k, v, dout);
    }
    if q.on_gpu() {
        return cuda::backward(heads, spans, [q, k, v], saved, dout);
    }
    let [dq, dk, dv] =
        reference::attention_backward(heads, spans, &q.tensor()?, &k.tensor()?, &v.tensor()?, &dout.tensor()?)?;
    Ok(Gradients { dq: Matrix::of_tensor(&dq)?, dk: Matrix::of_tensor(&dk)?, dv: Matrix::of_tensor(&dv)? })
}
