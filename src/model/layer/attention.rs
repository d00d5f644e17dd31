//! Causal self-attention with rotary positions, grouped key/value heads and, where a family has them, norms of queries and
//! keys.

use super::super::kv_pool::KvPool;
use super::super::sites::LoraGradients;
use super::{Adaptable, Around, Block, Pass, Projections};
use crate::error::{Code, Error, Result};
use crate::ops::attention::{self, Gradients, Heads};
use crate::ops::lora::Projected;
use crate::ops::{rms_norm, rope};
use crate::tensor::Matrix;
use crate::weights::Operand;

/// The weights of the block and its constants.
pub(in crate::model) struct Attention {
    pub(in crate::model) layer: usize,
    pub(in crate::model) heads: Heads,
    /// Which rotation of the pass, if any.
    pub(in crate::model) rope: Option<usize>,
    pub(in crate::model) around: Around,
    pub(in crate::model) qkv: Projections,
    /// Per-head norms of queries and keys (Qwen3).
    pub(in crate::model) qk_norms: Option<(Matrix, Matrix)>,
    pub(in crate::model) output: Adaptable,
}

/// `[tokens, …]`; from `attention` on of the outputs alone. The norm of the input is made again.
pub(in crate::model) struct Saved {
    input: Matrix,
    /// Queries and keys before their norms.
    unnormed: Option<(Matrix, Matrix)>,
    q: Matrix,
    /// None where a pool has them.
    kv: Option<(Matrix, Matrix)>,
    qkv_projected: Vec<Projected>,
    /// None where its projection is not trained.
    attention: Option<Operand<'static>>,
    /// What attention's own backward pass need not make again.
    sums: Option<Matrix>,
    output_projected: Projected,
    unnormed_output: Option<Matrix>,
}

impl Saved {
    /// The layer's input.
    pub(super) fn into_input(self) -> Matrix {
        self.input
    }
}

/// Queries, keys and values of the tokens of a pass, which are yet to be rotated.
struct Qkv {
    /// Queries and keys before their norms.
    unnormed: Option<(Matrix, Matrix)>,
    q: Matrix,
    k: Matrix,
    v: Matrix,
    projected: Vec<Projected>,
}

impl Attention {
    /// Puts the keys and values of the tokens into the pool, where no output of them is wanted.
    pub(in crate::model) fn store(&self, pass: &Pass<'_>, input: &Matrix, pool: &mut KvPool) -> Result<()> {
        let Qkv { q, k, v, .. } = self.qkv(pass, input)?;
        pool.rotate_and_store(self.layer, pass.rotation(self.rope), [q, k, v], &pass.placements).map(drop)
    }

    fn qkv(&self, pass: &Pass<'_>, input: &Matrix) -> Result<Qkv> {
        let normed = self.around.operand(input, self.qkv.takes_eight_bits(input.rows()))?;
        let (qkv, projected) = self.qkv.forward(&normed, |layer| layer.of_inputs(pass))?;
        drop(normed);
        let [q, k, v] = three(qkv)?;
        let (unnormed, q, k) = match &self.qk_norms {
            None => (None, q, k),
            Some((q_norm, k_norm)) => {
                let eps = self.around.eps;
                let (normed_q, normed_k) = (rms_norm::forward(&q, q_norm, eps)?, rms_norm::forward(&k, k_norm, eps)?);
                (Some((q, k)), normed_q, normed_k)
            }
        };
        Ok(Qkv { unnormed, q, k, v, projected })
    }
}

impl Block for Attention {
    type Saved = Saved;

    fn save(&self, pass: &Pass<'_>, input: Matrix, pool: Option<&mut KvPool>) -> Result<Saved> {
        let Qkv { unnormed, q, k, v, projected } = self.qkv(pass, &input)?;
        let (rotation, spans) = (pass.rotation(self.rope), &pass.spans);
        let (q, attention, sums, kv) = match pool {
            None => {
                let (q, k) = rope::rotated(rotation, q, k)?;
                let (attention, sums) = attention::forward_saved(self.heads, spans, &q, &k, &v)?;
                (q, Operand::owned(attention), sums, Some((k, v)))
            }
            Some(pool) => {
                let (q, kv) = pool.rotate_and_store(self.layer, rotation, [q, k, v], &pass.placements)?;
                let eight_bits = self.output.linear.takes_eight_bits(q.rows());
                let attention = attention::operand(self.heads, spans, &q, kv, eight_bits)?;
                (q, attention, None, None)
            }
        };
        let attention = Some(match pass.outputs_of(self.layer) {
            None => attention,
            Some(rows) => Operand::owned(attention.matrix().gather(rows)?),
        });
        Ok(Saved {
            input,
            unnormed,
            q,
            kv,
            qkv_projected: projected,
            attention,
            sums,
            output_projected: Vec::new(),
            unnormed_output: None,
        })
    }

    fn output(&self, pass: &Pass<'_>, saved: &mut Saved) -> Result<Matrix> {
        let attention = saved.attention.take();
        let attention = attention.ok_or_else(|| Error::new(Code::Internal, "an output of attention made twice"))?;
        let layer = self.output.of_outputs(pass);
        let (residual, projected, unnormed) = match pass.outputs_of(self.layer) {
            None => self.around.add_output(layer, &attention, &saved.input)?,
            Some(rows) => self.around.add_output(layer, &attention, &saved.input.gather(rows)?)?,
        };
        saved.output_projected = projected;
        saved.attention = Some(attention.plain()).filter(|_| self.output.is_trained(pass));
        saved.unnormed_output = unnormed;
        Ok(residual)
    }

    fn backward(
        &self,
        pass: &Pass<'_>,
        saved: Saved,
        dy: Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>> {
        let Saved { input, unnormed, q, kv, qkv_projected, attention, sums, output_projected, unnormed_output } = saved;
        let (k, v) = kv.ok_or_else(|| Error::new(Code::Internal, "a backward pass whose keys a pool has"))?;
        let doutput = self.around.output_gradient(unnormed_output, &dy)?;
        let doutput = doutput.as_ref().unwrap_or(&dy);
        let output = self.output.backward(pass, doutput)?;
        if let Some(attention) = &attention {
            output.weight_gradients(attention.matrix(), &output_projected, doutput, gradients)?;
        }
        let attention = attention.filter(|_| sums.is_some());
        let dattention = output.input_gradient(doutput)?;
        let (dattention, dy) = match pass.outputs_of(self.layer) {
            None => (dattention, dy),
            Some(rows) => (dattention.scatter(rows, input.rows())?, dy.scatter(rows, input.rows())?),
        };
        // Of some rows alone it is not what attention's backward pass asks for.
        let whole = attention.as_ref().filter(|_| pass.outputs_of(self.layer).is_none());
        let whole = whole.map(Operand::matrix).zip(sums.as_ref());
        let Gradients { dq, dk, dv } =
            attention::backward_saved(self.heads, &pass.spans, [&q, &k, &v], whole, &dattention)?;
        drop((dattention, q, k, v, attention));
        let (mut dq, mut dk) = match pass.rotation(self.rope) {
            None => (dq, dk),
            Some(rotation) => (rotation.backward(dq)?, rotation.backward(dk)?),
        };
        if let (Some((q_norm, k_norm)), Some((q, k))) = (&self.qk_norms, unnormed) {
            dq = rms_norm::backward(&q, q_norm, self.around.eps, &dq)?;
            dk = rms_norm::backward(&k, k_norm, self.around.eps, &dk)?;
        }
        let (normed, trains_below) = (self.around.normed(&input)?, pass.trains_below(self.layer));
        let x = normed.as_ref().unwrap_or(&input);
        let dnormed = self.qkv.backward(pass, x, &qkv_projected, vec![dq, dk, dv], trains_below, gradients)?;
        let Some(dnormed) = dnormed else { return Ok(None) };
        self.around.input_gradient(&input, &dnormed, dy).map(Some)
    }

    fn saved_bytes(&self, size: u64, tokens: u64, outputs: u64) -> u64 {
        let Heads { queries, keys, dim, .. } = self.heads;
        let (queries, keys) = ((queries * dim) as u64, (keys * dim) as u64);
        let hidden = self.output.linear.shape().0 as u64;
        let unnormed = if self.qk_norms.is_some() { queries + keys } else { 0 };
        let elements = tokens * (queries + 2 * keys + unnormed) + outputs * queries;
        4 * tokens * hidden + size * elements + self.around.saved_bytes(size, outputs)
    }

    fn projections(&self) -> impl Iterator<Item = &Adaptable> {
        self.qkv.layers.iter().chain([&self.output])
    }
}

fn three(matrices: Vec<Matrix>) -> Result<[Matrix; 3]> {
    let found = matrices.len();
    matrices.try_into().map_err(|_| Error::new(Code::Internal, format!("{found} projections of attention's input")))
}
