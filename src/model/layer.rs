//! One decoder layer: attention and MLP, each behind an RMS norm and around a residual; forward and backward.

use super::kv_cache::KvCache;
use super::lora::{LoraStack, Projection, Site};
use crate::error::Result;
use crate::ops::attention::{self, Heads, Span};
use crate::ops::linear::Linear;
use crate::ops::lora::{self, Dropout, LoraGrad};
use crate::ops::matmul::add;
use crate::ops::rms_norm;
use crate::ops::rope::Rotation;
use crate::ops::swiglu::{self, Activation};
use candle_core::Tensor;

/// The weights of one layer and its constants.
pub(super) struct Layer {
    pub(super) index: usize,
    pub(super) heads: Heads,
    pub(super) eps: f64,
    pub(super) activation: Activation,
    /// By [`Projection`].
    pub(super) linears: [Linear; 7],
    pub(super) input_norm: Tensor,
    pub(super) post_attention_norm: Tensor,
    /// Per-head norms of queries and keys (Qwen3).
    pub(super) qk_norms: Option<(Tensor, Tensor)>,
}

/// What one pass over a batch shares among the layers.
pub(super) struct Pass<'a> {
    pub(super) rotation: &'a Rotation,
    pub(super) spans: &'a [Span],
    pub(super) lora: &'a LoraStack,
    /// Dropout of LoRA inputs, while training.
    pub(super) dropout: Option<Dropout>,
}

impl Pass<'_> {
    /// The dropout of one site: the step's seed, told apart by the site.
    fn dropout_at(&self, site: Site) -> Option<Dropout> {
        self.dropout
            .map(|d| Dropout { seed: d.seed ^ (site.index() as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93), ..d })
    }
}

/// What backward needs of a layer's forward pass, all `[tokens, …]`. Norms and the gated product are made again.
pub(super) struct Activations {
    input: Tensor,
    /// Queries and keys before their norms; none without such norms.
    unnormed: Option<(Tensor, Tensor)>,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attention: Tensor,
    middle: Tensor,
    gate: Tensor,
    up: Tensor,
}

/// The gradients of the deltas of one layer, by [`Projection`] and position in the stack.
pub(super) type LayerGrads = [Vec<LoraGrad>; 7];

impl Layer {
    fn site(&self, projection: Projection) -> Site {
        Site { layer: self.index, projection }
    }

    fn project(&self, pass: &Pass<'_>, projection: Projection, x: &Tensor) -> Result<Tensor> {
        let site = self.site(projection);
        lora::forward(&self.linears[projection as usize], pass.lora.at(site), pass.dropout_at(site), x)
    }

    /// All of the layer but its last projection. With a cache, keys and values go through it.
    pub(super) fn activations(&self, pass: &Pass<'_>, input: Tensor, cache: Option<&KvCache>) -> Result<Activations> {
        let normed = rms_norm::forward(&input, &self.input_norm, self.eps)?;
        let q = self.project(pass, Projection::Q, &normed)?;
        let k = self.project(pass, Projection::K, &normed)?;
        let v = self.project(pass, Projection::V, &normed)?;
        let (unnormed, q, k) = match &self.qk_norms {
            None => (None, q, k),
            Some((q_norm, k_norm)) => {
                let (nq, nk) = (self.norm_heads(&q, q_norm)?, self.norm_heads(&k, k_norm)?);
                (Some((q, k)), nq, nk)
            }
        };
        let (q, k) = (pass.rotation.forward(&q)?, pass.rotation.forward(&k)?);
        let (k, v) = match cache {
            None => (k, v),
            Some(cache) => cache.append(self.index, &k, &v)?,
        };
        let attention = attention::forward(self.heads, pass.spans, &q, &k, &v)?;
        let middle = add(self.project(pass, Projection::O, &attention)?, &input)?;
        let normed = rms_norm::forward(&middle, &self.post_attention_norm, self.eps)?;
        let gate = self.project(pass, Projection::Gate, &normed)?;
        let up = self.project(pass, Projection::Up, &normed)?;
        Ok(Activations { input, unnormed, q, k, v, attention, middle, gate, up })
    }

    /// The layer's output, from its activations.
    pub(super) fn output(&self, pass: &Pass<'_>, saved: &Activations) -> Result<Tensor> {
        let gated = swiglu::forward(self.activation, &saved.gate, &saved.up)?;
        add(self.project(pass, Projection::Down, &gated)?, &saved.middle)
    }

    /// The gradients of the deltas, and of the layer's input if `need_dx`.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Activations,
        dy: Tensor,
        need_dx: bool,
    ) -> Result<(Option<Tensor>, LayerGrads)> {
        let mut grads: LayerGrads = Default::default();
        let mut through = |projection: Projection, x: &Tensor, dy: &Tensor, need_dx: bool| -> Result<Option<Tensor>> {
            let site = self.site(projection);
            let linear = &self.linears[projection as usize];
            let (dx, grad) = lora::backward(linear, pass.lora.at(site), pass.dropout_at(site), x, dy, need_dx)?;
            grads[projection as usize] = grad;
            Ok(dx)
        };
        let Activations { input, unnormed, q, k, v, attention, middle, gate, up } = saved;

        let gated = swiglu::forward(self.activation, &gate, &up)?;
        let dgated = wanted(through(Projection::Down, &gated, &dy, true)?)?;
        drop(gated);
        let (dgate, dup) = swiglu::backward(self.activation, &gate, &up, &dgated)?;
        drop((gate, up, dgated));
        let normed = rms_norm::forward(&middle, &self.post_attention_norm, self.eps)?;
        let dnormed = wanted(through(Projection::Gate, &normed, &dgate, true)?)?;
        let dnormed = add(dnormed, &wanted(through(Projection::Up, &normed, &dup, true)?)?)?;
        drop((normed, dgate, dup));
        let dmiddle = add(rms_norm::backward(&middle, &self.post_attention_norm, self.eps, &dnormed)?, &dy)?;
        drop((middle, dnormed, dy));

        let dattention = wanted(through(Projection::O, &attention, &dmiddle, true)?)?;
        let (dq, dk, dv) = attention::backward(self.heads, pass.spans, &q, &k, &v, &dattention)?;
        drop((attention, dattention, q, k, v));
        let (mut dq, mut dk) = (pass.rotation.backward(&dq)?, pass.rotation.backward(&dk)?);
        if let (Some((q_norm, k_norm)), Some((q, k))) = (&self.qk_norms, &unnormed) {
            dq = self.norm_heads_backward(q, q_norm, &dq)?;
            dk = self.norm_heads_backward(k, k_norm, &dk)?;
        }
        let normed = rms_norm::forward(&input, &self.input_norm, self.eps)?;
        let from_q = through(Projection::Q, &normed, &dq, need_dx)?;
        let from_k = through(Projection::K, &normed, &dk, need_dx)?;
        let from_v = through(Projection::V, &normed, &dv, need_dx)?;
        let dx = match (from_q, from_k, from_v) {
            (Some(q), Some(k), Some(v)) => {
                let dnormed = add(add(q, &k)?, &v)?;
                Some(add(rms_norm::backward(&input, &self.input_norm, self.eps, &dnormed)?, &dmiddle)?)
            }
            _ => None,
        };
        Ok((dx, grads))
    }

    fn norm_heads(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let heads = x.reshape((tokens * width / self.heads.dim, self.heads.dim))?;
        Ok(rms_norm::forward(&heads, weight, self.eps)?.reshape((tokens, width))?)
    }

    fn norm_heads_backward(&self, x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let shape = (tokens * width / self.heads.dim, self.heads.dim);
        let dx = rms_norm::backward(&x.reshape(shape)?, weight, self.eps, &dy.reshape(shape)?)?;
        Ok(dx.reshape((tokens, width))?)
    }
}

fn wanted(dx: Option<Tensor>) -> Result<Tensor> {
    dx.ok_or_else(|| crate::error::Error::new(crate::error::Code::Internal, "a gradient that was asked for is missing"))
}
