//! A fresh adapter: A random, B zero, so that training starts from the base model's own output.

use super::Adapter;
use super::base::AdapterBase;
use super::config::LoraConfig;
use super::manifest::AdapterManifest;
use super::targets::TargetedSite;
use crate::error::Result;
use crate::memory;
use crate::model::LoraWeights;
use crate::tensor::Matrix;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

impl Adapter {
    /// PEFT's default initialisation: `kaiming_uniform_(A, a=√5)`, which is U(−1/√in, 1/√in), and B = 0.
    ///
    /// The numbers depend on the seed, the config and the base's shapes only: they are drawn as 24-bit integers, site by
    /// site in the order of the forward pass, and are the same bits on every platform and device.
    pub(crate) fn new_for_training(config: &LoraConfig, base: AdapterBase, seed: u64) -> Result<Adapter> {
        config.check()?;
        config.check_every_name_matches(&base)?;
        let mut config = config.clone();
        config.base_model_name_or_path = Some(base.name.clone());
        // Beside the adapter itself its gradients, the optimizer's moments, and copies.
        let numbers = |target: &TargetedSite| {
            let (out_features, in_features) = base.shape(target.site.module);
            (target.r as u64).saturating_mul((out_features + in_features) as u64)
        };
        let targets = config.targeted_sites(&base)?;
        memory::probe(targets.iter().map(numbers).fold(0, u64::saturating_add).saturating_mul(6 * 4))?;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut weights = Vec::new();
        for target in targets {
            let (out_features, in_features) = base.shape(target.site.module);
            let bound = 1.0 / (in_features as f32).sqrt();
            let a: Vec<f32> = (0..target.r * in_features).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect();
            weights.push((
                target.site,
                LoraWeights::new(
                    Arc::new(Matrix::new(target.r, in_features, a, &base.device)?),
                    Arc::new(Matrix::zeros(out_features, target.r, &base.device)?),
                    target.scaling,
                ),
            ));
        }
        let manifest = AdapterManifest::of(&base);
        Adapter::assemble("adapter".to_owned(), config, base, manifest, weights)
    }
}
