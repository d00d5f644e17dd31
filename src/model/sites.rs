//! Where LoRA deltas attach: the modules of a decoder layer, one site per module and layer, any number of deltas stacked on
//! each.

use crate::error::Result;
use crate::ops::adamw;
use crate::ops::lora::LoraGrad;
pub(crate) use crate::ops::lora::{LoraWeights, Ready};
use crate::tensor::Matrix;
use std::collections::BTreeMap;

/// The linear layers inside a decoder layer, by their Hugging Face paths below `model.layers.N`. Several projections of one
/// input are apart, or fused in one module whose output columns are cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ModuleTable {
    /// The path of the list of layers.
    pub(crate) layers: &'static str,
    /// Queries, keys and values.
    pub(crate) qkv: &'static [&'static str],
    pub(crate) output: &'static [&'static str],
    /// Gate and up.
    pub(crate) gate_up: &'static [&'static str],
    pub(crate) down: &'static [&'static str],
}

/// Every projection apart, as Llama and most families have them.
pub(crate) static APART: ModuleTable = SEPARATE;

const SEPARATE: ModuleTable = ModuleTable {
    layers: "model.layers",
    qkv: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    output: &["self_attn.o_proj"],
    gate_up: &["mlp.gate_proj", "mlp.up_proj"],
    down: &["mlp.down_proj"],
};

/// The same in a model that has more than a decoder.
pub(crate) static IN_LANGUAGE_MODEL: ModuleTable = ModuleTable { layers: "model.language_model.layers", ..SEPARATE };

/// Gate and up in one, as GLM has them.
pub(crate) static GATE_UP_FUSED: ModuleTable = ModuleTable { gate_up: &["mlp.gate_up_proj"], ..SEPARATE };

/// Where the MLP is one of experts.
pub(crate) static ATTENTION: ModuleTable = ModuleTable { gate_up: &[], down: &[], ..SEPARATE };

/// As Phi-3 has them.
pub(crate) static FUSED: ModuleTable =
    ModuleTable { qkv: &["self_attn.qkv_proj"], gate_up: &["mlp.gate_up_proj"], ..SEPARATE };

impl ModuleTable {
    /// In the order of the forward pass.
    pub(crate) fn modules(&'static self) -> impl Iterator<Item = Module> {
        let paths = [self.qkv, self.output, self.gate_up, self.down].into_iter().flatten();
        paths.enumerate().map(|(index, path)| Module { index, path, layers: self.layers })
    }

    /// The module of that path.
    pub(crate) fn module(&'static self, path: &str) -> Option<Module> {
        self.modules().find(|module| module.path == path)
    }
}

/// A linear layer inside a decoder layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Module {
    /// Its place in the order of the forward pass.
    index: usize,
    path: &'static str,
    layers: &'static str,
}

impl Module {
    /// The path below `model.layers.N`, as in `self_attn.q_proj`.
    pub(crate) fn path(self) -> &'static str {
        self.path
    }

    /// The last part of the path, as PEFT's `target_modules` name it: `q_proj`.
    pub(crate) fn name(self) -> &'static str {
        &self.path[self.path.rfind('.').map_or(0, |dot| dot + 1)..]
    }
}

/// One adaptable linear layer of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) layer: usize,
    pub(crate) module: Module,
}

impl Site {
    /// The module's full name in the Hugging Face model, as in `model.layers.3.self_attn.q_proj`.
    pub(crate) fn path(self) -> String {
        format!("{}.{}.{}", self.module.layers, self.layer, self.module.path())
    }
}

/// All sites of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sites {
    pub(crate) table: &'static ModuleTable,
    pub(crate) num_layers: usize,
}

impl Sites {
    /// Layer by layer, in the order of the forward pass.
    pub(crate) fn iter(self) -> impl Iterator<Item = Site> {
        (0..self.num_layers).flat_map(move |layer| self.table.modules().map(move |module| Site { layer, module }))
    }

    /// The place of a site among them.
    pub(crate) fn index(self, site: Site) -> usize {
        site.layer * self.table.modules().count() + site.module.index
    }
}

/// The deltas active in one pass, by site; empty sites cost nothing. Cloning shares the matrices.
#[derive(Debug, Clone)]
pub(crate) struct LoraStack {
    sites: BTreeMap<Site, Vec<LoraWeights>>,
    identity: Option<[u8; 32]>,
}

impl LoraStack {
    /// No deltas: the base model.
    pub(crate) fn none() -> Self {
        LoraStack { sites: BTreeMap::new(), identity: Some([0; 32]) }
    }

    /// What no two stacks of different numbers have in common; `None` if it is not known, as while deltas are trained.
    pub(crate) fn identity(&self) -> Option<[u8; 32]> {
        self.identity
    }

    /// Says what tells the stack apart from others. Its deltas must not change any more.
    pub(crate) fn identify(&mut self, identity: [u8; 32]) {
        self.identity = Some(identity);
    }

    /// Whether both are the same deltas for certain.
    pub(crate) fn is(&self, other: &LoraStack) -> bool {
        std::ptr::eq(self, other) || (self.identity.is_some() && self.identity == other.identity)
    }

    /// Adds a delta on top of those already at `site`.
    pub(crate) fn push(&mut self, site: Site, weights: LoraWeights) {
        self.identity = None;
        self.sites.entry(site).or_default().push(weights);
    }

    /// The same deltas for inference: packed, without gradients. `rounds` says whether the products at a site round their operands.
    pub(crate) fn frozen(&self, rounds: impl Fn(Site) -> bool) -> Result<Self> {
        let frozen = |(site, deltas): (&Site, &Vec<LoraWeights>)| {
            let deltas = deltas.iter().map(|delta| delta.frozen(rounds(*site))).collect::<Result<_>>()?;
            Ok((*site, deltas))
        };
        Ok(LoraStack { sites: self.sites.iter().map(frozen).collect::<Result<_>>()?, identity: self.identity })
    }

    /// The deltas at a site, in the order they were pushed.
    pub(crate) fn at(&self, site: Site) -> &[LoraWeights] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }

    /// The lowest layer that has one.
    pub(crate) fn lowest_layer(&self) -> Option<usize> {
        self.sites.keys().next().map(|site| site.layer)
    }
}

/// The gradients of a stack's deltas, by site and in the order of the stack.
#[derive(Debug, Default)]
pub(crate) struct LoraGradients {
    sites: BTreeMap<Site, Vec<LoraGrad>>,
}

impl LoraGradients {
    /// The gradients at a site.
    pub(crate) fn at(&self, site: Site) -> &[LoraGrad] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }

    pub(super) fn insert(&mut self, site: Site, gradients: Vec<LoraGrad>) {
        if !gradients.is_empty() {
            self.sites.insert(site, gradients);
        }
    }

    /// Adds those of another micro-batch.
    pub(crate) fn accumulate(&mut self, other: LoraGradients) -> Result<()> {
        if self.sites.is_empty() {
            self.sites = other.sites;
            return Ok(());
        }
        for (mine, theirs) in self.sites.values_mut().flatten().zip(other.sites.into_values().flatten()) {
            mine.a.add(&theirs.a)?;
            mine.b.add(&theirs.b)?;
        }
        Ok(())
    }

    /// √Σ g² over all tensors.
    pub(crate) fn norm(&self) -> Result<f64> {
        let all: Vec<&Matrix> = self.sites.values().flatten().flat_map(|gradient| [&gradient.a, &gradient.b]).collect();
        adamw::norm(&all)
    }
}
