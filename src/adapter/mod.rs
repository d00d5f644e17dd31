//! PEFT adapters: configuration, tensors, files, stacking and merging.

mod base;
pub(crate) mod calibration;
mod config;
#[cfg(test)]
mod config_tests;
mod init;
pub(crate) mod learnt;
mod load;
mod manifest;
mod merge;
mod modules;
mod options;
mod patterns;
#[cfg(test)]
mod peft_tests;
#[cfg(test)]
mod refusal_tests;
mod replace;
mod save;
mod targets;
mod tensor_names;
#[cfg(test)]
mod tests;
mod trained_ids;
mod version;

pub(crate) use base::AdapterBase;
pub(crate) use config::LoraConfig;
pub(crate) use manifest::AdapterManifest;
pub use modules::TargetModules;
pub use options::AdapterOptions;
pub use patterns::PatternMap;
pub(crate) use save::FILES as ADAPTER_FILES;
pub(crate) use trained_ids::TrainedIds;
pub(crate) use version::{check_name, hash_lengths, is_plain};

use crate::error::{Code, Error, Result};
use crate::model::{LoraStack, LoraWeights, Module, Ready, Site};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// A LoRA adapter of one base model: immutable, cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Adapter(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    config: LoraConfig,
    base: AdapterBase,
    manifest: AdapterManifest,
    /// In the order of the forward pass; `scaling` is PEFT's.
    weights: Vec<(Site, LoraWeights)>,
    /// By site, what sessions made ready of it.
    ready: Vec<Ready>,
    sha256: String,
    /// What there is to know of how it was loaded.
    notes: Vec<String>,
}

impl Adapter {
    /// Puts an adapter together after checking every tensor against the config and the base.
    fn assemble(
        name: String,
        config: LoraConfig,
        base: AdapterBase,
        manifest: AdapterManifest,
        weights: Vec<(Site, LoraWeights)>,
    ) -> Result<Self> {
        let targets = config.targeted_sites(&base)?;
        let sites = |found: &mut dyn Iterator<Item = Site>| found.map(Site::path).collect::<Vec<_>>();
        if targets.len() != weights.len()
            || targets.iter().zip(&weights).any(|(target, (site, _))| target.site != *site)
        {
            return Err(Error::new(Code::Internal, "the adapter's tensors are not those that its config asks for")
                .with("expected", sites(&mut targets.iter().map(|target| target.site)))
                .with("found", sites(&mut weights.iter().map(|(site, _)| *site))));
        }
        for (target, (site, weights)) in targets.iter().zip(&weights) {
            let (out_features, in_features) = base.shape(site.module);
            for (what, tensor, expected) in
                [("lora_A", &weights.a, [target.r, in_features]), ("lora_B", &weights.b, [out_features, target.r])]
            {
                let found = [tensor.rows(), tensor.cols()];
                if found != expected {
                    let tensor = format!("{}.{what}", site.path());
                    return Err(Error::new(Code::Internal, format!("{tensor} is {found:?}; expected {expected:?}"))
                        .with("tensor", tensor));
                }
            }
        }
        let sha256 = content_sha256(&weights)?;
        let ready = weights.iter().map(|_| Ready::default()).collect();
        Ok(Adapter(Arc::new(Inner { name, config, base, manifest, weights, ready, sha256, notes: Vec::new() })))
    }

    /// The same adapter with more to know about it.
    pub(crate) fn with_notes(&self, notes: impl IntoIterator<Item = String>) -> Adapter {
        let mut inner = (*self.0).clone();
        inner.notes.extend(notes);
        Adapter(Arc::new(inner))
    }

    /// The same adapter with other numbers in its tensors: what a training step leaves. The sites must be the same, in
    /// the same order; `scaling` is taken from the config, not from `weights`.
    pub(crate) fn with_weights(&self, weights: Vec<(Site, LoraWeights)>) -> Result<Adapter> {
        let Inner { name, config, base, manifest, weights: old, .. } = &*self.0;
        let scalings = old.iter().map(|(_, old)| old.scaling).chain(std::iter::repeat(1.0));
        let copied = weights
            .into_iter()
            .zip(scalings)
            .map(|((site, new), scaling)| Ok((site, LoraWeights::new(new.a, new.b, scaling))));
        let weights = copied.collect::<Result<Vec<_>>>()?;
        Adapter::assemble(name.clone(), config.clone(), base.clone(), manifest.clone(), weights)
    }

    /// The same adapter under another name and with another manifest; the manifest's base is filled in.
    pub(crate) fn with_manifest(&self, name: &str, mut manifest: AdapterManifest) -> Adapter {
        manifest.base = AdapterManifest::of(self.base()).base;
        Adapter(Arc::new(Inner { name: name.to_owned(), manifest, ..(*self.0).clone() }))
    }

    /// The same adapter under another name.
    pub fn renamed(&self, name: &str) -> Adapter {
        let manifest = AdapterManifest { name: Some(name.to_owned()), ..self.manifest().clone() };
        Adapter(Arc::new(Inner { name: name.to_owned(), manifest, ..(*self.0).clone() }))
    }

    /// The name, as in `hr_review`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The version, as in `20261123-n842-r16-3f9c`; an adapter made elsewhere has the start of its hash.
    pub fn version(&self) -> &str {
        match &self.0.manifest.version {
            Some(version) => version,
            None => self.sha256().get(..8).unwrap_or_default(),
        }
    }

    /// SHA-256 of the tensors, hex: every site's name, then A and B as little-endian f32.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    pub(crate) fn config(&self) -> &LoraConfig {
        &self.0.config
    }

    pub(crate) fn base(&self) -> &AdapterBase {
        &self.0.base
    }

    pub(crate) fn manifest(&self) -> &AdapterManifest {
        &self.0.manifest
    }

    /// The tensors by site, in the order of the forward pass; `scaling` is PEFT's.
    pub(crate) fn weights(&self) -> &[(Site, LoraWeights)] {
        &self.0.weights
    }

    /// Whether both are the same loaded adapter, not only equal ones.
    pub(crate) fn is(&self, other: &Adapter) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Numbers in all tensors together.
    pub fn num_parameters(&self) -> usize {
        self.0.weights.iter().map(|(_, weights)| weights.a.len() + weights.b.len()).sum()
    }

    /// Puts this adapter on top of a stack; `scale` multiplies PEFT's scaling (0 leaves the base, 1 is the adapter).
    pub(crate) fn attach_to(&self, stack: &mut LoraStack, scale: f64) -> Result<()> {
        check_scale(scale)?;
        let mut identity = stack.identity().map(|below| Sha256::new().chain_update(below).chain_update(self.sha256()));
        for ((site, weights), ready) in self.0.weights.iter().zip(&self.0.ready) {
            let scaling = weights.scaling * scale;
            if !(scaling as f32).is_finite() {
                let message = format!("the adapter's scale is {scale}, which no f32 can hold at {}", site.path());
                return Err(Error::new(Code::InvalidArgument, message).with("scale", scale));
            }
            identity.iter_mut().for_each(|identity| identity.update(scaling.to_le_bytes()));
            let weights = LoraWeights::new(weights.a.clone(), weights.b.clone(), scaling);
            stack.push(*site, weights.with_ready(ready));
        }
        identity.into_iter().for_each(|identity| stack.identify(identity.finalize().into()));
        Ok(())
    }

    /// What there is to know about the adapter, for hosts.
    pub fn info(&self) -> Value {
        let Inner { name, config, base, manifest, weights, notes, .. } = &*self.0;
        let is_adapted = |module: &Module| weights.iter().any(|(site, _)| site.module == *module);
        let modules: Vec<&str> = base.modules.modules().filter(is_adapted).map(Module::name).collect();
        json!({
            "name": name,
            "version": self.version(),
            "sha256": self.sha256(),
            "r": config.r,
            "lora_alpha": config.lora_alpha,
            "use_rslora": config.use_rslora,
            "lora_dropout": config.lora_dropout,
            "target_modules": config.target_modules,
            "adapted_modules": modules,
            "adapted_layers": weights.len(),
            "parameters": self.num_parameters(),
            "base_model_name_or_path": config.base_model_name_or_path,
            "base_model_name_differs": config.base_model_name_or_path.as_ref().is_some_and(|wanted| *wanted != base.name),
            "base": { "name": base.name, "sha256": base.sha256 },
            "notes": notes,
            "manifest": manifest.shown(),
        })
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adapter({} {}, r {}, {} sites)", self.0.name, self.version(), self.0.config.r, self.0.weights.len())
    }
}

fn content_sha256(weights: &[(Site, LoraWeights)]) -> Result<String> {
    let mut hash = Sha256::new();
    for (site, weights) in weights {
        hash.update(site.path());
        for tensor in [&weights.a, &weights.b] {
            let bytes: Vec<u8> = tensor.values()?.into_iter().flat_map(f32::to_le_bytes).collect();
            hash.update(bytes);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn check_scale(scale: f64) -> Result<()> {
    if scale.is_finite() {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, format!("the adapter's scale is {scale}; expected a finite number"))
        .with("scale", scale.to_string()))
}
