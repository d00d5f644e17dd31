//! Builds a decoder's weights out of what is stored: quantizes on the way if asked, tells the host of progress, and notes
//! what was not kept as asked or as stored.

use super::config::{DecoderConfig, ExpertsConfig};
use super::families;
use super::layer::{Adaptable, Around, Attention, Expert, Experts, FeedForward, Layer, Mlp, Projections};
use super::sites::Site;
use super::source::WeightSource;
use super::surplus;
use crate::control::{Monitor, Phase, Progress};
use crate::error::{Code, Error, Result};
use crate::gpu::Element;
use crate::ops::attention::Heads;
use crate::tensor::{Device, Matrix};
use crate::weights::{Dense, DenseType, FrozenMatrix, Linear, WeightType};
use rayon::ThreadPool;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// In what types the matrices of a model are kept.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Type → how many matrices.
    pub(crate) types: BTreeMap<&'static str, usize>,
    /// What differs from the file or from what was asked → the matrices concerned.
    changed: BTreeMap<String, Vec<String>>,
    /// Tensors that are no part of the model.
    surplus: Option<String>,
}

impl Stored {
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
pub(super) struct Plan<'a> {
    pub(super) quantize: Option<&'static WeightType>,
    pub(super) exact: bool,
    pub(super) dtype: DenseType,
    pub(super) device: &'a Device,
}

pub(super) struct Loader<'a, 'm> {
    config: &'a DecoderConfig,
    source: &'a dyn WeightSource,
    plan: Plan<'a>,
    threads: &'a ThreadPool,
    monitor: &'a mut Monitor<'m>,
    started: Instant,
    loaded: u64,
    /// Names of the tensors that were read.
    read: HashSet<String>,
    stored: Stored,
}

impl<'a, 'm> Loader<'a, 'm> {
    pub(super) fn new(
        config: &'a DecoderConfig,
        source: &'a dyn WeightSource,
        plan: Plan<'a>,
        threads: &'a ThreadPool,
        monitor: &'a mut Monitor<'m>,
    ) -> Self {
        Loader {
            config,
            source,
            plan,
            threads,
            monitor,
            started: Instant::now(),
            loaded: 0,
            read: HashSet::new(),
            stored: Stored::default(),
        }
    }

    /// The embedding and the output head; the same if the model ties them.
    pub(super) fn embedding_and_head(&mut self) -> Result<(Arc<dyn FrozenMatrix>, Arc<dyn FrozenMatrix>)> {
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

    /// A vector as a matrix of one row.
    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Matrix> {
        let values = self.values(name, &[len])?;
        Matrix::new(1, len, values, self.plan.device)
    }

    /// The weight of a norm.
    fn norm(&mut self, name: &str, len: usize) -> Result<Matrix> {
        self.norm_on(name, len, self.plan.device)
    }

    /// That of the final hidden states, which stay f32 wherever they are: the logits come from them.
    pub(super) fn final_norm(&mut self) -> Result<Matrix> {
        let device = self.plan.device.with_activation_type(Element::F32);
        self.norm_on("model.norm.weight", self.config.hidden_size, &device)
    }

    fn norm_on(&mut self, name: &str, len: usize, device: &Device) -> Result<Matrix> {
        let mut values = self.values(name, &[len])?;
        if self.config.norm_offset != 0.0 {
            values.iter_mut().for_each(|value| *value += self.config.norm_offset);
        }
        Matrix::new(1, len, values, device)
    }

    pub(super) fn layer(&mut self, index: usize) -> Result<Layer> {
        let config = self.config;
        let name = |path: &str| format!("model.layers.{index}.{path}");
        let modules = config.family.modules;
        let qk_norms = match config.qk_norm_widths() {
            None => None,
            Some([q, k]) => {
                Some((self.norm(&name("self_attn.q_norm.weight"), q)?, self.norm(&name("self_attn.k_norm.weight"), k)?))
            }
        };
        let attention = Attention {
            layer: index,
            heads: self.heads(index),
            rope: config.layers[index].rope,
            around: self.around(index, &config.family.norms.attention)?,
            qk_norms,
            qkv: self.projections(index, modules.qkv, config.qkv_widths().to_vec())?,
            output: self.only(index, modules.output)?,
        };
        let mlp = match config.experts {
            None => FeedForward::Gated(self.mlp(index)?),
            Some(experts) => FeedForward::Experts(self.experts(index, experts)?),
        };
        Ok(Layer { attention, mlp })
    }

    fn mlp(&mut self, layer: usize) -> Result<Mlp> {
        let config = self.config;
        let modules = config.family.modules;
        Ok(Mlp {
            around: self.around(layer, &config.family.norms.mlp)?,
            activation: config.activation,
            gate_up: self.projections(layer, modules.gate_up, vec![config.intermediate_size; 2])?,
            down: self.only(layer, modules.down)?,
        })
    }

    fn experts(&mut self, layer: usize, of: ExpertsConfig) -> Result<Experts> {
        let (config, hidden) = (self.config, self.config.hidden_size);
        let around = self.around(layer, &config.family.norms.mlp)?;
        let mut linear = |path: &str, shape| -> Result<Linear> {
            let weight = self.weight(&format!("model.layers.{layer}.mlp.{path}.weight"), shape, false)?;
            Ok(Linear::new(weight, None))
        };
        let router = linear("gate", [of.count, hidden])?;
        let expert = |index: usize| {
            Ok(Expert {
                gate: linear(&format!("experts.{index}.gate_proj"), [of.width, hidden])?,
                up: linear(&format!("experts.{index}.up_proj"), [of.width, hidden])?,
                down: linear(&format!("experts.{index}.down_proj"), [hidden, of.width])?,
            })
        };
        let experts = (0..of.count).map(expert).collect::<Result<_>>()?;
        let (activation, per_token, normalise) = (config.activation, of.per_token, of.normalise);
        Ok(Experts { around, activation, router, experts, per_token, normalise })
    }

    fn heads(&self, layer: usize) -> Heads {
        let config = self.config;
        let heads = Heads::new(config.num_attention_heads, config.num_key_value_heads, config.head_dim);
        Heads {
            window: config.layers[layer].window,
            scale: config.scales.attention.map_or(heads.scale, |scale| scale as f32),
            softcap: config.scales.attention_softcap.map(|c| c as f32),
            ..heads
        }
    }

    fn around(&mut self, layer: usize, norms: &families::Around) -> Result<Around> {
        let mut norm = |name: Option<&str>| {
            name.map(|name| self.norm(&format!("model.layers.{layer}.{name}.weight"), self.config.hidden_size))
                .transpose()
        };
        Ok(Around {
            before: norm(norms.before)?,
            after: norm(norms.after)?,
            eps: self.config.rms_norm_eps,
            multiplier: self.config.scales.residual,
        })
    }

    fn projections(&mut self, layer: usize, paths: &[&str], widths: Vec<usize>) -> Result<Projections> {
        let layers = paths.iter().map(|path| self.adaptable(layer, path)).collect::<Result<_>>()?;
        Ok(Projections { layers, widths })
    }

    fn only(&mut self, layer: usize, paths: &[&str]) -> Result<Adaptable> {
        self.adaptable(layer, paths.first().copied().unwrap_or_default())
    }

    fn adaptable(&mut self, layer: usize, path: &str) -> Result<Adaptable> {
        let module = self.config.family.modules.module(path);
        let module = module.ok_or_else(|| Error::new(Code::Internal, format!("`{path}` is no module of a layer")))?;
        let site = Site { layer, module };
        let (out, inp) = self.config.module_shape(module);
        let name = |kind: &str| format!("model.layers.{layer}.{path}.{kind}");
        let weight = self.weight(&name("weight"), [out, inp], false)?;
        let bias = match self.config.has_bias(module) {
            true => Some(self.vector(&name("bias"), out)?),
            false => None,
        };
        Ok(Adaptable { site, linear: Linear::new(weight, bias) })
    }

    /// What was kept how, and what was not read at all.
    pub(super) fn finish(mut self) -> Result<Stored> {
        let surplus = surplus::check(self.config, &self.source.names(), &self.read).map_err(|err| {
            match self.source.files().first() {
                Some(file) => err.in_file(file.path()),
                None => err,
            }
        })?;
        self.stored.surplus = surplus;
        Ok(self.stored)
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

    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.monitor.check()?;
        let values = self.threads.install(|| self.source.values(name, shape))?;
        self.count(name);
        Ok(values)
    }

    fn count(&mut self, name: &str) {
        self.read.insert(name.to_owned());
        self.loaded += 1;
        let total = (self.source.len() as u64).max(self.loaded);
        self.monitor.report(&Progress::new(Phase::Load, self.loaded, total, self.started.elapsed()));
    }

    /// A matrix: as it is stored if that is quantized, else quantized if that was asked for.
    fn weight(&mut self, name: &str, shape: [usize; 2], is_head: bool) -> Result<Arc<dyn FrozenMatrix>> {
        self.monitor.check()?;
        let exact = self.plan.exact;
        let weight = match self.threads.install(|| self.source.quantized(name, shape, exact, self.plan.device))? {
            Some(found) => {
                self.count(name);
                if let Some(type_name) = found.converted_from {
                    let what = format!("stored as {type_name}, kept in {}", found.weight.type_name());
                    self.stored.changed.entry(what).or_default().push(name.to_owned());
                }
                found.weight
            }
            None => match self.quantization(name, shape, is_head)? {
                None => {
                    let values = self.values(name, &shape)?;
                    let Plan { dtype, device, .. } = self.plan;
                    Arc::new(self.threads.install(|| Dense::new(shape, values, dtype, exact, device))?)
                }
                Some(kind) => {
                    let values = self.values(name, &shape)?;
                    self.threads.install(|| kind.quantized(self.plan.device, shape, &values, exact))?
                }
            },
        };
        *self.stored.types.entry(weight.type_name()).or_default() += 1;
        Ok(weight)
    }

    fn quantization(
        &mut self,
        name: &str,
        [_, width]: [usize; 2],
        is_head: bool,
    ) -> Result<Option<&'static WeightType>> {
        let Some(asked) = self.plan.quantize else { return Ok(None) };
        let kind = if is_head { WeightType::named(asked.head).unwrap_or(asked) } else { asked };
        let fitting = kind.fitting(width);
        if fitting == kind {
            return Ok(Some(kind));
        }
        let what = format!(
            "kept in {} instead of {}, which needs rows of a multiple of {}; they have {width}",
            fitting.name, kind.name, kind.block
        );
        self.stored.changed.entry(what).or_default().push(name.to_owned());
        Ok(Some(fitting))
    }
}
