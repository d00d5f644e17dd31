//! The one decoder, for all families, for training and for inference.

use super::config::DecoderConfig;
use super::device::{DeviceChoice, Dtype, weight_dtype};
use super::files::ModelFiles;
use super::gguf::GgufWeights;
use super::kv_cache::KvCache;
use super::layer::{Layer, Pass};
use super::loader::{Kept, Loader, Quantize, Wanted};
use super::lora::{LoraStack, Projection};
use super::source::WeightSource;
use super::weight_file::{self, WeightFile};
use super::weights::Weights;
use crate::control::Monitor;
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::ops::attention::Span;
use crate::ops::buffers::{Buffers, Hold};
use crate::ops::linear::{Linear, Weight};
use crate::ops::rope::Rotation;
use crate::ops::{rms_norm, rounding};
use candle_core::{DType, Device, Tensor};
use once_cell::sync::OnceCell;
use rayon::ThreadPool;
#[cfg(test)]
use std::path::Path;
use std::sync::Arc;

/// A loaded model. Immutable, so sessions and training runs share it.
pub(crate) struct Decoder {
    pub(super) config: DecoderConfig,
    pub(super) device: Device,
    dtype: DType,
    pub(super) embedding: Weight,
    pub(super) layers: Vec<Layer>,
    norm: Tensor,
    pub(super) head: Linear,
    /// All parallel work of the model runs here.
    threads: ThreadPool,
    buffers: Buffers,
    files: Vec<Arc<WeightFile>>,
    /// Stored tensors.
    tensors: usize,
    kept: Kept,
    sha256: OnceCell<String>,
}

/// How to load a decoder.
pub(crate) struct LoadPlan {
    pub(crate) device: DeviceChoice,
    pub(crate) dtype: Dtype,
    /// How the weights are quantized while they are read, if at all.
    pub(crate) quantize: Option<Quantize>,
    /// Products of quantized weights to f32 rounding, in place of integer ones.
    pub(crate) exact: bool,
    /// 0 for one per core.
    pub(crate) threads: usize,
}

impl Decoder {
    /// Loads a model from a Hugging Face directory or a GGUF file.
    #[cfg(test)]
    pub(crate) fn load(path: &Path, plan: &LoadPlan, monitor: &mut Monitor<'_>) -> Result<Self> {
        Self::open(&ModelFiles::find(path)?, plan, monitor)
    }

    /// Loads configuration and weights.
    pub(crate) fn open(files: &ModelFiles, plan: &LoadPlan, monitor: &mut Monitor<'_>) -> Result<Self> {
        let config = match files {
            ModelFiles::Directory(dir) => DecoderConfig::load(dir)?,
            ModelFiles::Gguf(gguf) => DecoderConfig::from_gguf(gguf)?,
        };
        memory::probe(0)?;
        let device = plan.device.open()?;
        let dtype = weight_dtype(plan.dtype, &device)?;
        let threads = thread_pool(plan.threads)?;
        let weights: Box<dyn WeightSource> = match files {
            ModelFiles::Directory(dir) => Box::new(Weights::open(dir)?),
            ModelFiles::Gguf(gguf) => Box::new(GgufWeights::new(gguf.clone(), &config)),
        };
        let wanted = Wanted { quantize: plan.quantize, exact: plan.exact, dtype, device: &device };
        let mut loader = Loader::new(&config, &*weights, wanted, &threads, monitor);
        let (embedding, head) = loader.embedding_and_head()?;
        let layers = (0..config.num_hidden_layers).map(|index| loader.layer(index)).collect::<Result<Vec<_>>>()?;
        let norm = loader.vector("model.norm.weight", config.hidden_size)?;
        let kept = loader.finish()?;
        let (files, tensors) = (weights.files(), weights.len());
        // What was read while someone wrote to it is neither the old model nor the new one.
        files.iter().try_for_each(|file| file.check_unchanged())?;
        let head = Linear::new(head, None);
        Ok(Decoder {
            config,
            device,
            dtype,
            embedding,
            layers,
            norm,
            head,
            threads,
            buffers: Buffers::default(),
            files,
            tensors,
            kept,
            sha256: OnceCell::new(),
        })
    }

    /// The model's description.
    pub(crate) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Where its tensors live.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The type its weights are kept in.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// In what types its matrices are kept.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
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
        self.config.notes.iter().cloned().chain(self.kept.notes()).collect()
    }

    /// `(out_features, in_features)` of a projection; the same in every layer.
    pub(crate) fn projection_shape(&self, projection: Projection) -> (usize, usize) {
        projection_shape(&self.config, projection)
    }

    /// A dense f32 copy `[out, in]` of a frozen weight.
    #[cfg(test)]
    pub(crate) fn projection_weight(&self, site: super::lora::Site) -> Result<Tensor> {
        self.layers[site.layer].linears[site.projection as usize].dense_weight()
    }

    /// An empty cache for a sequence of at most `capacity` tokens.
    pub(crate) fn new_cache(&self, capacity: usize) -> Result<KvCache> {
        let width = self.config.num_key_value_heads * self.config.head_dim;
        KvCache::new(self.layers.len(), capacity.min(self.config.max_position_embeddings), width, &self.device)
    }

    /// Runs `tokens` after those the cache holds; the final hidden states, normed, `[tokens, hidden]`.
    pub(crate) fn extend(&self, tokens: &[u32], cache: &mut KvCache, lora: &LoraStack) -> Result<Tensor> {
        cache.check_room(tokens.len())?;
        let held = cache.len();
        memory::probe(self.unfailing_bytes(tokens.len(), held + tokens.len(), 0))?;
        let positions: Vec<usize> = (held..held + tokens.len()).collect();
        let spans = [Span { query: 0, queries: tokens.len(), key: 0, keys: held + tokens.len() }];
        self.run(|| {
            let rotation = self.rotation(&positions)?;
            let pass = Pass { rotation: &rotation, spans: &spans, lora, dropout: None, wanted: None };
            let mut x = self.embed(tokens)?;
            for layer in &self.layers {
                let activations = layer.activations(&pass, x, Some(cache))?;
                x = layer.output(&pass, &activations)?;
            }
            cache.advance(tokens.len());
            self.final_norm(&x)
        })
    }

    /// `hidden [n, hidden]`, normed, → logits `[n, vocab]`, f32.
    pub(crate) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        memory::probe(2 * 4 * (hidden.dim(0)? * self.config.vocab_size) as u64)?;
        self.run(|| self.head.forward(hidden))
    }

    /// Runs `work` on the model's threads; the caller waits.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.threads.install(|| self.buffers.during(work))
    }

    /// Keeps the large buffers of passes for those to come until the guard is dropped: for a training run.
    pub(crate) fn hold_buffers(&self) -> Hold {
        self.buffers.hold()
    }

    pub(super) fn rotation(&self, positions: &[usize]) -> Result<Rotation> {
        let rope = &self.config.rope;
        Rotation::new(positions, &rope.inv_freq, rope.attention_factor, &self.device)
    }

    /// `[tokens, hidden]`, f32.
    pub(super) fn embed(&self, tokens: &[u32]) -> Result<Tensor> {
        if let Some(id) = tokens.iter().find(|&&id| id as usize >= self.config.vocab_size) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("token id {id} is outside the model's vocabulary of {}", self.config.vocab_size),
            ));
        }
        self.embedding.rows(tokens)
    }

    pub(super) fn final_norm(&self, x: &Tensor) -> Result<Tensor> {
        rms_norm::forward(x, &self.norm, self.config.rms_norm_eps)
    }

    pub(super) fn final_norm_backward(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        rms_norm::backward(x, &self.norm, self.config.rms_norm_eps, dy)
    }
}

pub(super) fn projection_shape(config: &DecoderConfig, projection: Projection) -> (usize, usize) {
    let hidden = config.hidden_size;
    let (queries, keys) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
    match projection {
        Projection::Q => (queries, hidden),
        Projection::K | Projection::V => (keys, hidden),
        Projection::O => (hidden, queries),
        Projection::Gate | Projection::Up => (config.intermediate_size, hidden),
        Projection::Down => (hidden, config.intermediate_size),
    }
}

/// A thread's own stack and that for its signals.
const STACKS: u64 = (2 << 20) + (1 << 18);

fn thread_pool(threads: usize) -> Result<ThreadPool> {
    // A thread that cannot have its stacks ends the process once it has begun.
    let count = if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads };
    memory::probe(count as u64 * STACKS)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("tailora-{index}"))
        .start_handler(|_| rounding::set_default())
        .build()
        .map_err(|err| Error::new(Code::OutOfMemory, format!("cannot start {count} threads: {err}")))
}
