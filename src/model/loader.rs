//! Builds a decoder's weights out of what is stored: quantizes on the way if asked, tells the host of progress, and notes
//! what was not kept as asked or as stored.

use super::config::DecoderConfig;
use super::decoder::projection_shape;
use super::layer::Layer;
use super::lora::{Projection, Site};
use super::source::WeightSource;
use super::surplus;
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::ops::attention::Heads;
use crate::ops::k_quant::{KType, KWeight};
use crate::ops::linear::{Linear, Weight};
use crate::ops::quantized::Q8Weight;
use candle_core::{DType, Device, Tensor};
use rayon::ThreadPool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Quantization of the weights of linear layers and embeddings while they load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Quantize {
    /// GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.
    #[serde(rename = "q8_0")]
    Q8,
    /// Q4_K; the output head in Q6_K, as llama.cpp's Q4_K_M has it.
    #[serde(rename = "q4_k")]
    Q4K,
    /// Q6_K.
    #[serde(rename = "q6_k")]
    Q6K,
}

impl Quantize {
    fn name(self) -> &'static str {
        match self {
            Quantize::Q8 => "q8_0",
            Quantize::Q4K => "q4_k",
            Quantize::Q6K => "q6_k",
        }
    }
}

/// In what types the matrices of a model are kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Type → how many matrices.
    pub(crate) types: BTreeMap<&'static str, usize>,
    /// What differs from the file or from what was asked → the matrices concerned.
    changed: BTreeMap<String, Vec<String>>,
    /// Tensors that are no part of the model.
    surplus: Option<String>,
}

impl Kept {
    /// One sentence for each way in which matrices differ from the file or from what was asked.
    pub(crate) fn notes(&self) -> Vec<String> {
        let note = |(what, names): (&String, &Vec<String>)| match names.as_slice() {
            [only] => format!("{only}: {what}"),
            [first, rest @ ..] => format!("{first} and {} more: {what}", rest.len()),
            [] => what.clone(),
        };
        self.changed.iter().map(note).chain(self.surplus.clone()).collect()
    }
}

/// What a loader does with the weights.
pub(super) struct Wanted<'a> {
    pub(super) quantize: Option<Quantize>,
    pub(super) exact: bool,
    pub(super) dtype: DType,
    pub(super) device: &'a Device,
}

pub(super) struct Loader<'a, 'm> {
    config: &'a DecoderConfig,
    source: &'a dyn WeightSource,
    wanted: Wanted<'a>,
    threads: &'a ThreadPool,
    monitor: &'a mut Monitor<'m>,
    started: Instant,
    loaded: u64,
    /// Names of the tensors that were read.
    read: HashSet<String>,
    kept: Kept,
}

impl<'a, 'm> Loader<'a, 'm> {
    pub(super) fn new(
        config: &'a DecoderConfig,
        source: &'a dyn WeightSource,
        wanted: Wanted<'a>,
        threads: &'a ThreadPool,
        monitor: &'a mut Monitor<'m>,
    ) -> Self {
        Loader {
            config,
            source,
            wanted,
            threads,
            monitor,
            started: Instant::now(),
            loaded: 0,
            read: HashSet::new(),
            kept: Kept::default(),
        }
    }

    /// The embedding and the output head; the same if the model ties them.
    pub(super) fn embedding_and_head(&mut self) -> Result<(Weight, Weight)> {
        let tied = self.config.tie_word_embeddings;
        let shape = [self.config.vocab_size, self.config.hidden_size];
        let (embed, head) = ("model.embed_tokens.weight", "lm_head.weight");
        if tied {
            let stored = if self.source.contains(embed) || !self.source.contains(head) { embed } else { head };
            let weight = self.weight(stored, shape, true)?;
            if stored == embed && self.source.contains(head) {
                self.check_tied(embed, head, shape)?;
            }
            return Ok((weight.clone(), weight));
        }
        Ok((self.weight(embed, shape, false)?, self.weight(head, shape, true)?))
    }

    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        self.dense(name, &[len], DType::F32)
    }

    pub(super) fn layer(&mut self, index: usize) -> Result<Layer> {
        let config = self.config;
        let name = |path: &str| format!("model.layers.{index}.{path}");
        let qk_norms = match config.qk_norm {
            false => None,
            true => Some((
                self.vector(&name("self_attn.q_norm.weight"), config.head_dim)?,
                self.vector(&name("self_attn.k_norm.weight"), config.head_dim)?,
            )),
        };
        let mut linears = Vec::with_capacity(Projection::ALL.len());
        for projection in Projection::ALL {
            linears.push(self.linear(Site { layer: index, projection })?);
        }
        let linears = linears.try_into().map_err(|_| Error::new(Code::Internal, "a layer has seven projections"))?;
        Ok(Layer {
            index,
            heads: Heads {
                queries: config.num_attention_heads,
                keys: config.num_key_value_heads,
                dim: config.head_dim,
                window: config.windows[index],
            },
            eps: config.rms_norm_eps,
            activation: config.activation,
            linears,
            input_norm: self.vector(&name("input_layernorm.weight"), config.hidden_size)?,
            post_attention_norm: self.vector(&name("post_attention_layernorm.weight"), config.hidden_size)?,
            qk_norms,
        })
    }

    /// What was kept how, and what was not read at all.
    pub(super) fn finish(mut self) -> Result<Kept> {
        let surplus = surplus::check(self.config, &self.source.names(), &self.read).map_err(|err| {
            match self.source.files().first() {
                Some(file) => err.in_file(file.path()),
                None => err,
            }
        })?;
        self.kept.surplus = surplus;
        Ok(self.kept)
    }

    /// A head of its own in a model whose config ties it to the embedding: transformers 4 takes the embedding, transformers 5
    /// the head, and the config cannot be right.
    fn check_tied(&mut self, embed: &str, head: &str, shape: [usize; 2]) -> Result<()> {
        let source = self.source;
        let same = self.threads.install(|| source.same(embed, head, &shape))?;
        self.read.insert(head.to_owned());
        if same {
            return Ok(());
        }
        let message = format!(
            "`tie_word_embeddings` is true, but {head} is stored and differs from {embed}; set it to false to use that head, or \
             leave the tensor out"
        );
        Err(Error::new(Code::ModelFormat, message).with("tensor", head))
    }

    fn linear(&mut self, site: Site) -> Result<Linear> {
        let (out, inp) = projection_shape(self.config, site.projection);
        let has_bias = match site.projection {
            Projection::Q | Projection::K | Projection::V => self.config.qkv_bias,
            Projection::O => self.config.output_bias,
            Projection::Gate | Projection::Up | Projection::Down => self.config.mlp_bias,
        };
        let weight = self.weight(&format!("{}.weight", site.module()), [out, inp], false)?;
        let bias = if has_bias { Some(self.vector(&format!("{}.bias", site.module()), out)?) } else { None };
        Ok(Linear::new(weight, bias))
    }

    fn dense(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        self.monitor.check()?;
        let values = self.threads.install(|| self.source.values(name, shape))?;
        self.count(name);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(self.wanted.device)?)
    }

    fn count(&mut self, name: &str) {
        self.read.insert(name.to_owned());
        self.loaded += 1;
        let total = (self.source.len() as u64).max(self.loaded);
        self.monitor.report(&Progress::new(Phase::Load, self.loaded, total, self.started.elapsed()));
    }

    /// A matrix: as it is stored if that is quantized, else quantized if that was asked for.
    fn weight(&mut self, name: &str, shape: [usize; 2], is_head: bool) -> Result<Weight> {
        self.monitor.check()?;
        let exact = self.wanted.exact;
        let is_cpu = self.wanted.device.is_cpu();
        let on_cpu = || match is_cpu {
            true => Ok(()),
            false => Err(Error::new(Code::Unsupported, "quantized weights run on the CPU only; use device `cpu`")),
        };
        let weight = match self.threads.install(|| self.source.quantized(name, shape, exact))? {
            Some(stored) => {
                on_cpu()?;
                self.count(name);
                if let Some(type_name) = stored.converted_from {
                    let what = format!("stored as {type_name}, kept in {}", stored.weight.type_name());
                    self.kept.changed.entry(what).or_default().push(name.to_owned());
                }
                stored.weight
            }
            None => {
                if self.wanted.quantize.is_some() {
                    on_cpu()?;
                }
                let tensor = self.dense(name, &shape, self.wanted.dtype)?;
                match self.quantization(name, shape, is_head) {
                    None => Weight::Dense(tensor),
                    Some(kind) => self.threads.install(|| quantize(kind, &tensor, exact))?,
                }
            }
        };
        *self.kept.types.entry(weight.type_name()).or_default() += 1;
        Ok(weight)
    }

    fn quantization(&mut self, name: &str, [_, width]: [usize; 2], is_head: bool) -> Option<Quantize> {
        let asked = self.wanted.quantize?;
        let kind = if asked == Quantize::Q4K && is_head { Quantize::Q6K } else { asked };
        if kind == Quantize::Q8 || width.is_multiple_of(KWeight::BLOCK) {
            return Some(kind);
        }
        let (kind, block) = (kind.name(), KWeight::BLOCK);
        let what =
            format!("kept in q8_0 instead of {kind}, which needs rows of a multiple of {block}; they have {width}");
        self.kept.changed.entry(what).or_default().push(name.to_owned());
        Some(Quantize::Q8)
    }
}

fn quantize(kind: Quantize, tensor: &Tensor, exact: bool) -> Result<Weight> {
    Ok(match kind {
        Quantize::Q8 => Weight::Q8(Arc::new(Q8Weight::new(tensor, exact)?)),
        Quantize::Q4K => Weight::K(Arc::new(KWeight::quantize(KType::Q4K, tensor, exact)?)),
        Quantize::Q6K => Weight::K(Arc::new(KWeight::quantize(KType::Q6K, tensor, exact)?)),
    })
}
