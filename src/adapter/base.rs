//! What an adapter has to know of the base model it belongs to: shapes, device, identity — not its weights.

use crate::error::{Error, Result};
use crate::model::{Decoder, Module, ModuleTable, Sites};
use crate::tensor::Device;
use std::collections::BTreeMap;

/// The side of a base model that adapters fit on.
#[derive(Debug, Clone)]
pub(crate) struct AdapterBase {
    /// Decoder layers.
    pub(crate) num_hidden_layers: usize,
    /// Where adapter tensors live.
    pub(crate) device: Device,
    /// The model's name or path, as `base_model_name_or_path` of a new adapter will say.
    pub(crate) name: String,
    /// SHA-256 of the base's weights in hex, where it is known.
    pub(crate) sha256: Option<String>,
    /// The linear layers of each decoder layer.
    pub(crate) modules: &'static ModuleTable,
    /// Their `(out_features, in_features)`; every layer has the same.
    pub(crate) shapes: BTreeMap<Module, (usize, usize)>,
}

impl AdapterBase {
    /// A base given by its shapes.
    pub(crate) fn new(sites: Sites, device: &Device, shape: impl Fn(Module) -> (usize, usize)) -> Self {
        AdapterBase {
            num_hidden_layers: sites.num_layers,
            modules: sites.table,
            device: device.clone(),
            name: String::new(),
            sha256: None,
            shapes: sites.table.modules().map(|module| (module, shape(module))).collect(),
        }
    }

    /// Says what the base is called.
    #[must_use]
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// `(out_features, in_features)` of a linear layer.
    pub(crate) fn shape(&self, module: Module) -> (usize, usize) {
        self.shapes.get(&module).copied().unwrap_or_default()
    }

    /// Where adapters attach.
    pub(crate) fn sites(&self) -> Sites {
        Sites { table: self.modules, num_layers: self.num_hidden_layers }
    }

    /// Whether an adapter of `other` fits here tensor by tensor.
    pub(crate) fn same_shapes(&self, other: &AdapterBase) -> bool {
        self.num_hidden_layers == other.num_hidden_layers && self.shapes == other.shapes
    }
}

impl TryFrom<&Decoder> for AdapterBase {
    type Error = Error;

    /// Reads all weights once for their hash, if nobody asked for it before.
    fn try_from(decoder: &Decoder) -> Result<Self> {
        let config = decoder.config();
        let mut base = AdapterBase::new(decoder.sites(), decoder.device(), |module| decoder.module_shape(module));
        base.sha256 = Some(decoder.sha256()?.to_owned());
        Ok(base.named(config.family.model_type))
    }
}
