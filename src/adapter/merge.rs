//! A stack of adapters as one: ranks are concatenated, so nothing is approximated.
//!
//! Σᵢ sᵢ·Bᵢ·Aᵢ = [s₁B₁ … sₙBₙ] · [A₁; …; Aₙ], an adapter of rank Σrᵢ and scaling 1 (PEFT: `alpha = r` at every site).

use super::base::AdapterBase;
use super::config::LoraConfig;
use super::manifest::AdapterManifest;
use super::modules::TargetModules;
use super::patterns::PatternMap;
use super::trained_ids::TrainedIds;
use super::{Adapter, check_scale};
use crate::error::{Code, Error, Result};
use crate::memory;
use crate::model::{LoraWeights, Site};
use crate::tensor::Matrix;
use jiff::Zoned;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Adapter {
    /// One adapter that computes what the stack computes, each adapter at its scale.
    ///
    /// # Errors
    /// `InvalidArgument`: an empty stack, a scale that is not finite or with which numbers leave the range of f32. `AdapterMismatch`: adapters of different bases.
    pub fn merge(name: &str, stack: &[(Adapter, f64)]) -> Result<Adapter> {
        let Some(((first, _), others)) = stack.split_first() else {
            return Err(Error::new(Code::InvalidArgument, "no adapter to merge; expected at least one"));
        };
        for (other, _) in others {
            check_same_base(first, other)?;
        }
        // Scaled, concatenated, hashed.
        let numbers: u64 = stack.iter().map(|(adapter, _)| adapter.num_parameters() as u64).sum();
        memory::probe(numbers.saturating_mul(3 * 4))?;
        let mut parts: BTreeMap<Site, (Vec<Arc<Matrix>>, Vec<Matrix>)> = BTreeMap::new();
        for (adapter, scale) in stack {
            check_scale(*scale)?;
            for (site, weights) in adapter.weights() {
                let (a, b) = parts.entry(*site).or_default();
                a.push(weights.a.clone());
                b.push(scaled(adapter, *site, weights, *scale)?);
            }
        }
        let weights = parts
            .into_iter()
            .map(|(site, (a, b))| {
                let a: Vec<&Matrix> = a.iter().map(|a| &**a).collect();
                let a = Arc::new(Matrix::join_rows(&a, &first.base().device)?);
                Ok((site, LoraWeights::new(a, Arc::new(Matrix::join_columns(b)?), 1.0)))
            })
            .collect::<Result<Vec<_>>>()?;
        let base = first.base().clone();
        let config = config_of(&weights, &base, first.config().base_model_name_or_path.clone())?;
        let mut manifest = AdapterManifest { name: Some(name.to_owned()), ..AdapterManifest::of(&base) };
        let now = Zoned::now();
        manifest.created = Some(now.timestamp().to_string());
        manifest.rows = stack.iter().map(|(adapter, _)| adapter.manifest().rows).sum();
        manifest.trained_ids =
            TrainedIds::of_all(stack.iter().map(|(adapter, _)| adapter.manifest().trained_ids.as_ref()));
        manifest.merged_from = stack
            .iter()
            .map(|(adapter, scale)| json!({ "name": adapter.name(), "version": adapter.version(), "scale": scale }))
            .collect();
        // Alone and as trained, it writes the same conclusions as before; otherwise others.
        if let [(only, 1.0)] = stack {
            manifest.calibration.clone_from(&only.manifest().calibration);
        }
        stack.iter().for_each(|(adapter, _)| manifest.learnt.join(&adapter.manifest().learnt));
        let merged = Adapter::assemble(name.to_owned(), config, base, manifest.clone(), weights)?;
        manifest.version = Some(merged.version_of(&now, manifest.rows, 4));
        Ok(merged.with_manifest(name, manifest))
    }

    /// `W + scaling·B·A`: the base's weight with this adapter folded in.
    #[cfg(test)]
    pub(crate) fn merged_weight(&self, site: Site, base_weight: &Matrix) -> Result<Matrix> {
        let Some((_, weights)) = self.weights().iter().find(|(known, _)| *known == site) else {
            return base_weight.duplicate();
        };
        let mut merged = base_weight.duplicate()?;
        merged.add_product(crate::tensor::Form::NN, &weights.b, &weights.a, weights.scaling)?;
        Ok(merged)
    }
}

/// B times everything that goes before it. A factor that f32 cannot hold makes infinities of ordinary numbers.
fn scaled(adapter: &Adapter, site: Site, weights: &LoraWeights, scale: f64) -> Result<Matrix> {
    let mut b = weights.b.duplicate()?;
    b.scale(weights.scaling * scale)?;
    if b.is_finite()? {
        return Ok(b);
    }
    let message = format!(
        "the adapter {} at the scale {scale} has numbers at {} that f32 cannot hold; expected a smaller scale",
        adapter.name(),
        site.path()
    );
    Err(Error::new(Code::InvalidArgument, message).with("scale", scale).with("module", site.path()))
}

fn check_same_base(first: &Adapter, other: &Adapter) -> Result<()> {
    let (a, b) = (first.base(), other.base());
    let hashes_differ = matches!((&a.sha256, &b.sha256), (Some(a), Some(b)) if a != b);
    if a.same_shapes(b) && !hashes_differ && a.device.is_same(&b.device) {
        return Ok(());
    }
    Err(Error::new(
        Code::AdapterMismatch,
        format!(
            "the adapters {} and {} are loaded for different base models ({} and {}); only adapters of one base can be merged",
            first.name(),
            other.name(),
            a.name,
            b.name
        ),
    ))
}

/// A config under which exactly `weights` are targeted, each with alpha = r.
fn config_of(weights: &[(Site, LoraWeights)], base: &AdapterBase, base_name: Option<String>) -> Result<LoraConfig> {
    let mut target_modules = Vec::new();
    let mut ranks: Vec<(String, usize)> = Vec::new();
    for module in base.modules.modules() {
        let sites: Vec<(Site, usize)> =
            weights.iter().filter(|(site, _)| site.module == module).map(|(site, w)| (*site, w.a.rows())).collect();
        let uniform = sites.len() == base.num_hidden_layers && sites.iter().all(|(_, r)| *r == sites[0].1);
        if uniform && !sites.is_empty() {
            target_modules.push(module.name().to_owned());
            ranks.push((module.name().to_owned(), sites[0].1));
        } else {
            target_modules.extend(sites.iter().map(|(site, _)| site.path()));
            ranks.extend(sites.iter().map(|(site, r)| (site.path(), *r)));
        }
    }
    let r = ranks.iter().map(|(_, r)| *r).max().unwrap_or(1);
    let differing = || ranks.iter().filter(|(_, other)| *other != r);
    let config = LoraConfig {
        r,
        lora_alpha: r as f64,
        rank_pattern: differing().cloned().collect::<PatternMap<usize>>(),
        alpha_pattern: differing().map(|(module, r)| (module.clone(), *r as f64)).collect::<PatternMap<f64>>(),
        target_modules: TargetModules::List(target_modules),
        base_model_name_or_path: base_name,
        ..Default::default()
    };
    config.check().map(|()| config)
}
