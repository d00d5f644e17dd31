//! Opening a model. Its files and what was asked say which one it is; one that is loaded already is shared.

use super::config::DecoderConfig;
use super::decoder::{Decoder, Form};
use super::files::ModelFiles;
use super::gguf::GgufWeights;
use super::kv_form::{KvCacheDtype, KvForm};
use super::kv_pool::KvPool;
use super::loader::{Loader, Plan};
use super::passes::{Passes, lock};
use super::recordings::Recordings;
use super::renamed::Renamed;
use super::source::WeightSource;
use super::weights::Weights;
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::ops::cross_entropy::Head;
use crate::tensor::buffers::Buffers;
use crate::tensor::{Device, DeviceChoice, rounding};
use crate::weights::{DenseType, Dtype, Linear, Quantize};
use once_cell::sync::{Lazy, OnceCell};
use rayon::ThreadPool;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// How to load a decoder.
pub(crate) struct LoadPlan {
    pub(crate) device: DeviceChoice,
    pub(crate) dtype: Dtype,
    /// How the weights are quantized while they are read, if at all.
    pub(crate) quantize: Option<Quantize>,
    /// Products of operands in f32, in place of those of integers or of bf16.
    pub(crate) exact: bool,
    /// What keys and values are kept as.
    pub(crate) kv_cache_dtype: KvCacheDtype,
    /// 0 for one per core.
    pub(crate) threads: usize,
}

/// Those that are loaded, as far as somebody still uses them.
static LOADED: Lazy<Mutex<Vec<Weak<Decoder>>>> = Lazy::new(Mutex::default);

/// A model of which everything is known but its weights.
struct Opened {
    config: DecoderConfig,
    weights: Box<dyn WeightSource>,
    device: Device,
    form: Form,
}

impl Decoder {
    /// The decoder of these files, loaded as asked. One that is in use already is shared: weights, threads, and the memory of
    /// what sequences have read.
    pub(crate) fn shared(files: &ModelFiles, plan: &LoadPlan, monitor: &mut Monitor<'_>) -> Result<Arc<Self>> {
        let opened = Opened::open(files, plan)?;
        if let Some(shared) = opened.among(&lock(&LOADED)) {
            let tensors = shared.tensors as u64;
            monitor.report(&Progress::new(Phase::Load, tensors, tensors, Duration::ZERO));
            monitor.check()?;
            return Ok(shared);
        }
        let decoder = Arc::new(opened.load(monitor)?);
        let mut loaded = lock(&LOADED);
        loaded.retain(|other| other.strong_count() > 0);
        loaded.push(Arc::downgrade(&decoder));
        Ok(decoder)
    }

    /// The same, for its caller alone.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn open(files: &ModelFiles, plan: &LoadPlan, monitor: &mut Monitor<'_>) -> Result<Self> {
        Opened::open(files, plan)?.load(monitor)
    }

    /// The same, by the path of a folder or a file.
    #[cfg(test)]
    pub(crate) fn load(path: &std::path::Path, plan: &LoadPlan, monitor: &mut Monitor<'_>) -> Result<Self> {
        Self::open(&ModelFiles::find(path)?, plan, monitor)
    }
}

impl Opened {
    fn open(files: &ModelFiles, plan: &LoadPlan) -> Result<Self> {
        let config = match files {
            ModelFiles::Directory(dir) => DecoderConfig::load(dir)?,
            ModelFiles::Gguf(gguf) => DecoderConfig::from_gguf(gguf)?,
        };
        memory::probe(0)?;
        let device = plan.device.open()?;
        let weights: Box<dyn WeightSource> = match files {
            ModelFiles::Directory(dir) => match config.family.stored {
                None => Box::new(Weights::open(dir)?),
                Some(names) => Box::new(Renamed {
                    files: Weights::open(dir)?,
                    names,
                    widths: config.qkv_widths(),
                    head_dim: config.head_dim,
                }),
            },
            ModelFiles::Gguf(gguf) => Box::new(GgufWeights::new(gguf.clone(), &config)?),
        };
        let dtype = DenseType::on(&device, plan.dtype, weights.is_bf16());
        let device = device.with_activation_type(dtype.activation_type());
        let form = Form {
            dtype,
            quantize: plan.quantize,
            exact: plan.exact,
            kv_cache_dtype: plan.kv_cache_dtype,
            threads: plan.threads,
        };
        Ok(Opened { config, weights, device, form })
    }

    /// The same model among those that are loaded.
    fn among(&self, loaded: &[Weak<Decoder>]) -> Option<Arc<Decoder>> {
        loaded.iter().filter_map(Weak::upgrade).find(|decoder| self.is_in(decoder))
    }

    fn is_in(&self, decoder: &Decoder) -> bool {
        let (ours, theirs) = (self.weights.files(), &decoder.files);
        decoder.config == self.config
            && decoder.form == self.form
            && decoder.device.is_same(&self.device)
            && ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| ours.is_same(theirs))
    }

    fn load(self, monitor: &mut Monitor<'_>) -> Result<Decoder> {
        let Opened { config, weights, device, form } = self;
        let threads = thread_pool(form.threads)?;
        let quantize = form.quantize.map(Quantize::weight_type);
        let plan = Plan { quantize, exact: form.exact, dtype: form.dtype, device: &device };
        let mut loader = Loader::new(&config, &*weights, plan, &threads, monitor);
        let (embedding, head) = loader.embedding_and_head()?;
        let layers = (0..config.num_hidden_layers).map(|index| loader.layer(index)).collect::<Result<Vec<_>>>()?;
        let norm = loader.final_norm()?;
        let stored = loader.finish()?;
        let files = weights.files();
        // What was read while someone wrote to it is neither the old model nor the new one.
        files.iter().try_for_each(|file| file.check_unchanged())?;
        let head = Head {
            linear: Linear::new(head, None),
            scale: config.scales.logits,
            softcap: config.scales.logit_softcap.map(|c| c as f32),
        };
        let rounds_inputs = layers.iter().any(|layer| layer.attention.output.linear.rounds_inputs());
        let kv_form = KvForm::of(form.kv_cache_dtype, &config, rounds_inputs, &device)?;
        Ok(Decoder {
            config,
            device,
            form,
            embedding,
            layers,
            norm,
            head,
            threads,
            buffers: Buffers::default(),
            files,
            tensors: weights.len(),
            stored,
            sha256: OnceCell::new(),
            kv_pool: Arc::new(Mutex::new(KvPool::new(kv_form, 0)?)),
            passes: Passes::default(),
            recordings: Recordings::default(),
        })
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

#[cfg(test)]
mod tests {
    use super::super::test_support::copy;
    use super::*;
    use std::path::Path;

    fn shared(dir: &Path, dtype: Dtype) -> Arc<Decoder> {
        let plan = LoadPlan {
            device: DeviceChoice::Cpu,
            dtype,
            quantize: None,
            exact: false,
            kv_cache_dtype: KvCacheDtype::Auto,
            threads: 2,
        };
        Decoder::shared(&ModelFiles::find(dir).unwrap(), &plan, &mut Monitor::none()).unwrap()
    }

    #[test]
    fn a_model_in_use_is_shared_and_another_is_not() {
        let dir = copy("qwen2");
        let first = shared(dir.path(), Dtype::F32);
        assert!(Arc::ptr_eq(&first, &shared(dir.path(), Dtype::F32)));
        assert!(!Arc::ptr_eq(&first, &shared(dir.path(), Dtype::Bf16)), "in another form");

        // New content of the old size, with the old time set again.
        let path = dir.path().join("model.safetensors");
        let modified = path.metadata().unwrap().modified().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!Arc::ptr_eq(&first, &shared(dir.path(), Dtype::F32)), "other weights");

        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none(), "nobody uses it any more");
    }
}
