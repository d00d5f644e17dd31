//! The one decoder, for all families, for training and for inference.

use super::batch::Batch;
use super::config::{DecoderConfig, RopeScaling};
use super::kv_form::KvCacheDtype;
use super::kv_pool::{KvPool, Placements};
use super::layer::{Keep, Layer, Pass, Saved};
use super::loader::Stored;
use super::passes::{Passes, lock};
use super::recordings::Recordings;
use super::sites::{LoraStack, Module, Sites};
use super::weight_file::{self, WeightFile};
use crate::error::{Code, Error, Result};
use crate::ops::attention;
use crate::ops::cross_entropy::Head;
use crate::ops::lora::Dropout;
use crate::ops::rms_norm;
use crate::ops::rope::Rotation;
use crate::tensor::buffers::{Buffers, Hold, Shapes};
use crate::tensor::{Device, Matrix};
use crate::weights::{DenseType, FrozenMatrix, Quantize};
use crate::{gpu, memory};
use once_cell::sync::OnceCell;
use rayon::ThreadPool;
use std::sync::{Arc, Mutex};

/// A loaded model. Immutable, so sessions and training runs share it.
pub(crate) struct Decoder {
    pub(super) config: DecoderConfig,
    pub(super) device: Device,
    pub(super) form: Form,
    pub(super) embedding: Arc<dyn FrozenMatrix>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Matrix,
    pub(super) head: Head,
    /// All parallel work of the model runs here.
    pub(super) threads: ThreadPool,
    pub(super) buffers: Buffers,
    pub(super) files: Vec<Arc<WeightFile>>,
    /// Stored tensors.
    pub(super) tensors: usize,
    pub(super) stored: Stored,
    pub(super) sha256: OnceCell<String>,
    pub(super) kv_pool: Arc<Mutex<KvPool>>,
    pub(super) passes: Passes,
    pub(super) recordings: Recordings,
}

/// In what form a decoder's weights are kept, and how many threads were asked for.
#[derive(Clone, PartialEq)]
pub(super) struct Form {
    pub(super) dtype: DenseType,
    pub(super) quantize: Option<Quantize>,
    pub(super) exact: bool,
    pub(super) kv_cache_dtype: KvCacheDtype,
    pub(super) threads: usize,
}

/// What a forward pass gives.
pub(super) struct Forward<'a> {
    pub(super) pass: Pass<'a>,
    /// The final hidden states of the batch's outputs, normed, `[outputs, hidden]`.
    pub(super) hidden: Matrix,
    /// The same before their norm.
    pub(super) residual: Matrix,
    /// By layer, what was to be kept.
    pub(super) saved: Vec<Saved>,
}

impl Decoder {
    /// The model's description.
    pub(crate) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Where its tensors live.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The type its dense weights are kept in.
    pub(crate) fn dtype(&self) -> DenseType {
        self.form.dtype
    }

    /// The type that keys and values are kept in.
    pub(crate) fn kv_cache_dtype(&self) -> &'static str {
        lock(&self.kv_pool).form().dtype_name()
    }

    /// In what types its matrices are kept.
    pub(crate) fn weight_types(&self) -> &Stored {
        &self.stored
    }

    /// Threads its work runs on.
    pub(crate) fn num_threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Stored tensors and their bytes.
    pub(crate) fn stored(&self) -> (usize, u64) {
        (self.tensors, self.files.iter().map(|file| file.len()).sum())
    }

    /// SHA-256 over the weight files in the order of their names, computed at the first call: a large model takes seconds.
    ///
    /// # Errors
    /// `Io` if a file was written to after the weights were read, so that nobody can tell any more what they are.
    pub(crate) fn sha256(&self) -> Result<&str> {
        self.sha256.get_or_try_init(|| weight_file::sha256(&self.files)).map(String::as_str)
    }

    /// What there is to know of how the model was read.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.config.notes.iter().cloned().chain(self.stored.notes()).collect()
    }

    /// Where deltas attach.
    pub(crate) fn sites(&self) -> Sites {
        self.config.sites()
    }

    /// `(out_features, in_features)` of a module; the same in every layer.
    pub(crate) fn module_shape(&self, module: Module) -> (usize, usize) {
        self.config.module_shape(module)
    }

    /// A stack of adapters, made ready to go on top of these weights.
    pub(crate) fn frozen(&self, lora: &LoraStack) -> Result<LoraStack> {
        let of_layer = |layer: usize| self.layers.get(layer).into_iter().flat_map(Layer::projections);
        lora.frozen(|site| {
            of_layer(site.layer).any(|projection| projection.site == site && projection.linear.rounds_inputs())
        })
    }

    /// A dense copy `[out, in]` of a frozen weight.
    #[cfg(test)]
    pub(crate) fn dense_weight(&self, site: super::sites::Site) -> Result<Matrix> {
        let mut found = self.layers[site.layer].projections().filter(|projection| projection.site == site);
        found.next().unwrap().linear.dense_weight()
    }

    /// Does `work` here, and on one of the model's threads meanwhile what is to be ready beside it. `work` may wait for other
    /// callers, so it must not take one of those threads.
    pub(crate) fn beside<'a, R>(&self, aside: impl FnOnce() + Send + 'a, work: impl FnOnce() -> R) -> R {
        self.threads.in_place_scope(|scope| {
            scope.spawn(|_| aside());
            work()
        })
    }

    /// A pool of its own, with room for `tokens`.
    #[cfg(test)]
    pub(crate) fn new_pool(&self, tokens: usize) -> Result<KvPool> {
        KvPool::new(lock(&self.kv_pool).form().clone(), tokens)
    }

    /// The final hidden states of a batch's outputs, normed, `[outputs, hidden]`. Keys and values go into the pool, where
    /// every sequence has room for its tokens; on an error they are anything.
    pub(crate) fn hidden(&self, batch: &Batch, pool: &mut KvPool, stacks: &[&LoraStack]) -> Result<Matrix> {
        memory::probe(self.unfailing_bytes(batch.tokens().len(), batch.longest(), 0))?;
        let hidden = || Ok(self.forward(batch, Some(&mut *pool), stacks, None, |_| Keep::Nothing)?.hidden);
        match self.device.gpu() {
            Some(gpu) if self.is_repeatable() && Recordings::apply_to(batch) => {
                self.run_here(|| self.recordings.repeated(gpu, batch, stacks, hidden))
            }
            _ => self.run(hidden),
        }
    }

    /// Whether the host takes no part in a pass; which tokens go through which expert it must know.
    fn is_repeatable(&self) -> bool {
        self.config.experts.is_none()
    }

    /// The one forward pass, for training, for prompts and for the next tokens of many sequences; on the model's threads.
    /// `keep` says by layer what is kept for a backward pass.
    pub(super) fn forward<'a>(
        &self,
        batch: &Batch,
        mut kv: Option<&mut KvPool>,
        stacks: &'a [&'a LoraStack],
        dropout: Option<Dropout>,
        keep: impl Fn(usize) -> Keep,
    ) -> Result<Forward<'a>> {
        let placements = Placements::new(batch.placements(), batch.tokens().len(), &self.device)?;
        let pass = Pass::new(batch, self.rotations(batch)?, placements, self.sites(), stacks, dropout);
        let mut residual = self.embed(batch.tokens())?;
        let mut saved = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            if index + 1 == self.layers.len()
                && batch.outputs().is_empty()
                && let Some(pool) = kv.as_deref_mut()
            {
                // The front of a prompt: of the last layer only keys and values are wanted.
                layer.attention.store(&pass, &residual, pool)?;
                let none = || Matrix::zeros(0, self.config.hidden_size, &Device::host());
                return Ok(Forward { pass, hidden: none()?, residual: none()?, saved });
            }
            let (output, of_layer) = layer.forward(&pass, residual, kv.as_deref_mut(), keep(index))?;
            residual = output;
            saved.extend(of_layer);
        }
        let hidden = rms_norm::forward(&residual, &self.norm, self.config.rms_norm_eps)?;
        Ok(Forward { pass, hidden, residual, saved })
    }

    /// `hidden [n, hidden]`, normed, → logits `[n, vocab]`.
    pub(crate) fn logits(&self, hidden: &Matrix) -> Result<Matrix> {
        if self.device.is_on_card() {
            return self.run_here(|| self.head.logits(hidden));
        }
        memory::probe(2 * 4 * (hidden.rows() * self.config.vocab_size) as u64)?;
        self.run(|| self.head.logits(hidden))
    }

    /// Runs `work` on the model's threads; the caller waits.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.threads.install(|| gpu::apart(|| self.buffers.during(work)))
    }

    /// Runs work of a card alone, which is not worth waking another thread for.
    fn run_here<T>(&self, work: impl FnOnce() -> T) -> T {
        gpu::apart(|| {
            let done = self.buffers.during(work);
            // The thread is the host's.
            attention::forget_spans();
            done
        })
    }

    /// Keeps the large buffers of passes for those to come until the guard is dropped: for a training run, or for the
    /// layers of one pass.
    pub(crate) fn hold_buffers(&self, shapes: Shapes) -> Hold {
        self.buffers.hold(shapes)
    }

    fn rotations(&self, batch: &Batch) -> Result<Vec<Rotation>> {
        let of = |rope: &RopeScaling| {
            let of_length = |length: usize| match &rope.long {
                Some(long) if length > long.beyond => &*long.inv_freq,
                _ => &*rope.inv_freq,
            };
            let rows: Vec<(usize, &[f32])> =
                batch.positions().map(|(position, length)| (position, of_length(length))).collect();
            let (head_dim, pairs) = (self.config.head_dim, self.config.family.pairs);
            Rotation::of_rows(&rows, rope.attention_factor, head_dim, pairs, &self.device)
        };
        self.config.ropes.iter().map(of).collect()
    }

    /// `[tokens, hidden]`
    pub(super) fn embed(&self, tokens: &[u32]) -> Result<Matrix> {
        if let Some(id) = tokens.iter().find(|&&id| id as usize >= self.config.vocab_size) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("token id {id} is outside the model's vocabulary of {}", self.config.vocab_size),
            ));
        }
        let mut embedded = self.embedding.gather(tokens)?;
        embedded.scale(self.config.scales.embedding)?;
        Ok(embedded)
    }

    pub(super) fn final_norm_backward(&self, x: &Matrix, dy: &Matrix) -> Result<Matrix> {
        rms_norm::backward(x, &self.norm, self.config.rms_norm_eps, dy)
    }
}
