//! One decoder layer: attention and MLP, each behind an RMS norm and around a residual; forward and backward.

use super::kv_cache::KvCache;
use super::lora::{LoraStack, Projection, Site};
use crate::error::{Code, Error, Result};
use crate::ops::attention::{self, Heads, Span};
use crate::ops::buffers::recycle;
use crate::ops::halves::Halves;
use crate::ops::linear::Linear;
use crate::ops::lora::{self, Dropout, LoraGrad, LoraWeights, Lows};
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
    /// A layer whose outputs are wanted of these rows only: the last one, where only they meet the head.
    pub(super) wanted: Option<(usize, &'a Tensor)>,
}

impl Pass<'_> {
    /// The dropout of one site: the step's seed, told apart by the site.
    fn dropout_at(&self, site: Site) -> Option<Dropout> {
        self.dropout
            .map(|d| Dropout { seed: d.seed ^ (site.index() as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93), ..d })
    }

    /// The rows whose outputs are wanted of a layer; `None` for all.
    fn wanted_of(&self, layer: usize) -> Option<&Tensor> {
        self.wanted.and_then(|(index, rows)| (index == layer).then_some(rows))
    }
}

/// What backward needs of a layer's forward pass, all `[tokens, …]`; from `attention` on, of the wanted rows only. Norms
/// and the gated product are made again.
pub(super) struct Activations {
    input: Tensor,
    /// Queries and keys before their norms; none without such norms.
    unnormed: Option<(Tensor, Tensor)>,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    /// None where the projection of it is not adapted.
    attention: Option<Tensor>,
    middle: Tensor,
    mlp: Mlp,
    /// By [`Projection`]; none of the last, whose input is made again.
    lows: [Lows; 6],
}

/// The operands of the gated product: most of what a layer keeps.
enum Mlp {
    Plain { gate: Tensor, up: Tensor },
    Halved(Halves),
}

impl Mlp {
    fn into_pair(self) -> Result<(Tensor, Tensor)> {
        match self {
            Mlp::Plain { gate, up } => Ok((gate, up)),
            Mlp::Halved(halves) => halves.into_pair(),
        }
    }
}

impl Activations {
    /// Hands over what no one will ask for again; the input may be another's.
    ///
    /// Not after a pass with a cache, which keys and values are part of.
    pub(super) fn recycle(self) {
        let Activations { input: _, unnormed, q, k, v, attention, middle, mlp, lows: _ } = self;
        recycle([q, k, v, middle].into_iter().chain(attention).chain(unnormed.into_iter().flat_map(<[_; 2]>::from)));
        match mlp {
            Mlp::Plain { gate, up } => recycle([gate, up]),
            Mlp::Halved(halves) => halves.recycle(),
        }
    }
}

/// The gradients of the deltas of one layer, by [`Projection`] and position in the stack.
pub(super) type LayerGrads = [Vec<LoraGrad>; 7];

/// A projection in one pass: its weight and what is attached to it.
struct Adapted<'a> {
    linear: &'a Linear,
    deltas: &'a [LoraWeights],
    dropout: Option<Dropout>,
}

impl Adapted<'_> {
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Lows)> {
        lora::forward(self.linear, self.deltas, self.dropout, x)
    }

    /// The gradient of the input, that of the low-rank activations given.
    fn input_gradient(&self, dlows: &Lows, dy: &Tensor) -> Result<Tensor> {
        lora::input_gradient(self.linear, self.deltas, self.dropout, dlows, dy)
    }

    fn weight_gradients(&self, x: &Tensor, lows: &Lows, dlows: &Lows, dy: &Tensor) -> Result<Vec<LoraGrad>> {
        lora::weight_gradients(self.deltas, self.dropout, x, lows, dlows, dy)
    }

    /// The gradients of the deltas, and of the input if `need_dx`.
    fn backward(&self, x: &Tensor, lows: &Lows, dy: Tensor, need_dx: bool) -> Result<(Option<Tensor>, Vec<LoraGrad>)> {
        let dlows = lora::low_gradients(self.deltas, &dy)?;
        let grads = self.weight_gradients(x, lows, &dlows, &dy)?;
        let dx = if need_dx { Some(self.input_gradient(&dlows, &dy)?) } else { None };
        recycle([dy]);
        Ok((dx, grads))
    }
}

impl Layer {
    fn adapted<'a>(&'a self, pass: &Pass<'a>, projection: Projection) -> Adapted<'a> {
        let site = Site { layer: self.index, projection };
        Adapted {
            linear: &self.linears[projection as usize],
            deltas: pass.lora.at(site),
            dropout: pass.dropout_at(site),
        }
    }

    /// All of the layer but its last projection. With a cache, keys and values go through it.
    pub(super) fn activations(&self, pass: &Pass<'_>, input: Tensor, cache: Option<&KvCache>) -> Result<Activations> {
        let project = |projection: Projection, x: &Tensor| self.adapted(pass, projection).forward(x);
        let normed = rms_norm::forward(&input, &self.input_norm, self.eps)?;
        let (q, q_low) = project(Projection::Q, &normed)?;
        let (k, k_low) = project(Projection::K, &normed)?;
        let (v, v_low) = project(Projection::V, &normed)?;
        recycle([normed]);
        let (unnormed, q, k) = match &self.qk_norms {
            None => (None, q, k),
            Some((q_norm, k_norm)) => {
                let (nq, nk) = (self.norm_heads(&q, q_norm)?, self.norm_heads(&k, k_norm)?);
                (Some((q, k)), nq, nk)
            }
        };
        let (q, k) = (pass.rotation.forward(q)?, pass.rotation.forward(k)?);
        let (k, v) = match cache {
            None => (k, v),
            Some(cache) => cache.append(self.index, &k, &v)?,
        };
        let attention = attention::forward(self.heads, pass.spans, &q, &k, &v)?;
        let (attention, residual) = match pass.wanted_of(self.index) {
            None => (attention, input.clone()),
            Some(rows) => {
                let selected = attention.index_select(rows, 0)?;
                recycle([attention]);
                (selected, input.index_select(rows, 0)?)
            }
        };
        let (projected, o_low) = project(Projection::O, &attention)?;
        let middle = add(projected, &residual)?;
        let attention = if self.adapted(pass, Projection::O).deltas.is_empty() {
            recycle([attention]);
            None
        } else {
            Some(attention)
        };
        let normed = rms_norm::forward(&middle, &self.post_attention_norm, self.eps)?;
        let (gate, gate_low) = project(Projection::Gate, &normed)?;
        let (up, up_low) = project(Projection::Up, &normed)?;
        recycle([normed]);
        let lows = [q_low, k_low, v_low, o_low, gate_low, up_low];
        Ok(Activations { input, unnormed, q, k, v, attention, middle, mlp: Mlp::Plain { gate, up }, lows })
    }

    /// The activations as they wait for the backward pass, once the output is made.
    ///
    /// Between products of integers, which err more than that, the MLP's wait in bf16.
    pub(super) fn kept(&self, activations: Activations) -> Result<Activations> {
        let mlp = match activations.mlp {
            Mlp::Plain { gate, up } if self.halves_mlp() => Mlp::Halved(Halves::of(gate, up)?),
            mlp => mlp,
        };
        Ok(Activations { mlp, ..activations })
    }

    /// Whether [`Layer::kept`] rounds.
    pub(super) fn halves_mlp(&self) -> bool {
        let mlp = [Projection::Gate, Projection::Up, Projection::Down];
        mlp.iter().all(|&projection| self.linears[projection as usize].has_integer_products())
    }

    /// The layer's output, from its activations before they are [`kept`](Layer::kept).
    pub(super) fn output(&self, pass: &Pass<'_>, activations: &Activations) -> Result<Tensor> {
        let Mlp::Plain { gate, up } = &activations.mlp else {
            return Err(Error::new(Code::Internal, "an output is made before activations are kept"));
        };
        let gated = swiglu::forward(self.activation, gate, up)?;
        let (projected, _) = self.adapted(pass, Projection::Down).forward(&gated)?;
        recycle([gated]);
        add(projected, &activations.middle)
    }

    /// The gradients of the deltas, and of the layer's input if `need_dx`.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Activations,
        dy: Tensor,
        need_dx: bool,
    ) -> Result<(Option<Tensor>, LayerGrads)> {
        let Activations { input, unnormed, q, k, v, attention, middle, mlp, lows } = saved;
        let (gate, up) = mlp.into_pair()?;
        let [q_low, k_low, v_low, o_low, gate_low, up_low] = &lows;
        let through = |projection: Projection, x: &Tensor, lows: &Lows, dy: Tensor, need_dx: bool| {
            self.adapted(pass, projection).backward(x, lows, dy, need_dx)
        };

        let down = self.adapted(pass, Projection::Down);
        let dlows = lora::low_gradients(down.deltas, &dy)?;
        let dgated = down.input_gradient(&dlows, &dy)?;
        let swiglu::Backward { gated, dgate, dup } = swiglu::backward(self.activation, gate, up, dgated)?;
        let down_low = lora::lows(down.deltas, down.dropout, &gated)?;
        let down_grads = down.weight_gradients(&gated, &down_low, &dlows, &dy)?;
        recycle([gated]);

        let normed = rms_norm::forward(&middle, &self.post_attention_norm, self.eps)?;
        let (from_gate, gate_grads) = through(Projection::Gate, &normed, gate_low, dgate, true)?;
        let (from_up, up_grads) = through(Projection::Up, &normed, up_low, dup, true)?;
        recycle([normed]);
        let dnormed = sum_of([from_gate, from_up])?;
        let dmiddle = add(rms_norm::backward(&middle, &self.post_attention_norm, self.eps, &dnormed)?, &dy)?;
        recycle([middle, dnormed, dy]);

        let o = self.adapted(pass, Projection::O);
        let dlows = lora::low_gradients(o.deltas, &dmiddle)?;
        let o_grads = match &attention {
            None => Vec::new(),
            Some(attention) => o.weight_gradients(attention, o_low, &dlows, &dmiddle)?,
        };
        let dattention = o.input_gradient(&dlows, &dmiddle)?;
        recycle(attention);
        let (dattention, dmiddle) = match pass.wanted_of(self.index) {
            None => (dattention, dmiddle),
            Some(rows) => (spread(dattention, rows, input.dim(0)?)?, spread(dmiddle, rows, input.dim(0)?)?),
        };
        let (dq, dk, dv) = attention::backward(self.heads, pass.spans, &q, &k, &v, &dattention)?;
        recycle([dattention, q, k, v]);
        let (mut dq, mut dk) = (pass.rotation.backward(dq)?, pass.rotation.backward(dk)?);
        if let (Some((q_norm, k_norm)), Some((q, k))) = (&self.qk_norms, unnormed) {
            let unrotated = [dq, dk];
            dq = self.norm_heads_backward(&q, q_norm, &unrotated[0])?;
            dk = self.norm_heads_backward(&k, k_norm, &unrotated[1])?;
            recycle(unrotated.into_iter().chain([q, k]));
        }
        let normed = rms_norm::forward(&input, &self.input_norm, self.eps)?;
        let (from_q, q_grads) = through(Projection::Q, &normed, q_low, dq, need_dx)?;
        let (from_k, k_grads) = through(Projection::K, &normed, k_low, dk, need_dx)?;
        let (from_v, v_grads) = through(Projection::V, &normed, v_low, dv, need_dx)?;
        let mut dx = None;
        if need_dx {
            let dnormed = sum_of([from_q, from_k, from_v])?;
            dx = Some(add(rms_norm::backward(&input, &self.input_norm, self.eps, &dnormed)?, &dmiddle)?);
            recycle([dnormed]);
        }
        recycle([input, normed, dmiddle]);
        Ok((dx, [q_grads, k_grads, v_grads, o_grads, gate_grads, up_grads, down_grads]))
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

/// The sum of gradients that were asked for.
fn sum_of<const N: usize>(parts: [Option<Tensor>; N]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for part in parts.into_iter().flatten() {
        sum = Some(match sum {
            None => part,
            Some(sum) => {
                let both = add(sum, &part)?;
                recycle([part]);
                both
            }
        });
    }
    sum.ok_or_else(|| Error::new(Code::Internal, "a gradient that was asked for is missing"))
}

/// `x`'s rows where `rows` says, of `tokens` rows; zeros elsewhere.
fn spread(x: Tensor, rows: &Tensor, tokens: usize) -> Result<Tensor> {
    let zeros = Tensor::zeros((tokens, x.dim(1)?), x.dtype(), x.device())?;
    let all = zeros.index_add(rows, &x, 0)?;
    recycle([x]);
    Ok(all)
}
