//! What an adapter has to know of the base model it belongs to: shapes, device, identity — not its weights.

use crate::error::{Error, Result};
use crate::model::{Decoder, Projection};
use candle_core::Device;

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
    /// `(out_features, in_features)` by projection; every layer has the same.
    pub(crate) shapes: [(usize, usize); Projection::ALL.len()],
}

impl AdapterBase {
    /// A base given by its shapes.
    pub(crate) fn new(num_hidden_layers: usize, device: &Device, shape: impl Fn(Projection) -> (usize, usize)) -> Self {
        AdapterBase {
            num_hidden_layers,
            device: device.clone(),
            name: String::new(),
            sha256: None,
            shapes: Projection::ALL.map(shape),
        }
    }

    /// Says what the base is called.
    #[must_use]
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// `(out_features, in_features)` of a linear layer.
    pub(crate) fn shape(&self, projection: Projection) -> (usize, usize) {
        self.shapes[projection as usize]
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
        let mut base = AdapterBase::new(config.num_hidden_layers, decoder.device(), |p| decoder.projection_shape(p));
        base.sha256 = Some(decoder.sha256()?.to_owned());
        Ok(base.named(&config.model_type))
    }
}
