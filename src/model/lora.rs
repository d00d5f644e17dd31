//! Where LoRA deltas attach: one site per adapted linear layer, any number of deltas stacked on each.

pub(crate) use crate::ops::lora::LoraWeights;

/// A linear layer inside a decoder layer, by its Hugging Face name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Projection {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
}

impl Projection {
    /// In the order of the forward pass.
    pub(crate) const ALL: [Projection; 7] = {
        use Projection::*;
        [Q, K, V, O, Gate, Up, Down]
    };

    /// The path below `model.layers.N`, as in `self_attn.q_proj`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Projection::Q => "self_attn.q_proj",
            Projection::K => "self_attn.k_proj",
            Projection::V => "self_attn.v_proj",
            Projection::O => "self_attn.o_proj",
            Projection::Gate => "mlp.gate_proj",
            Projection::Up => "mlp.up_proj",
            Projection::Down => "mlp.down_proj",
        }
    }

    /// The last part of the path, as PEFT's `target_modules` name it: `q_proj`.
    pub(crate) fn module_name(self) -> &'static str {
        let path = self.path();
        &path[path.rfind('.').map_or(0, |dot| dot + 1)..]
    }
}

/// One adaptable linear layer of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) layer: usize,
    pub(crate) projection: Projection,
}

impl Site {
    /// The module's full name in the Hugging Face model, as in `model.layers.3.self_attn.q_proj`.
    pub(crate) fn module(self) -> String {
        format!("model.layers.{}.{}", self.layer, self.projection.path())
    }

    /// All sites of a decoder, layer by layer in the order of the forward pass.
    pub(crate) fn all(num_layers: usize) -> impl Iterator<Item = Site> {
        (0..num_layers).flat_map(|layer| Projection::ALL.into_iter().map(move |projection| Site { layer, projection }))
    }

    pub(crate) fn index(self) -> usize {
        self.layer * Projection::ALL.len() + self.projection as usize
    }
}

/// The deltas active in one forward pass, by site; empty sites cost nothing. Cloning shares the tensors.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoraStack {
    sites: Vec<Vec<LoraWeights>>,
}

impl LoraStack {
    /// No deltas: the base model.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Adds a delta on top of those already at `site`.
    pub(crate) fn push(&mut self, site: Site, weights: LoraWeights) {
        let index = site.index();
        if self.sites.len() <= index {
            self.sites.resize_with(index + 1, Vec::new);
        }
        self.sites[index].push(weights);
    }

    /// The deltas at a site, in the order they were pushed.
    pub(crate) fn at(&self, site: Site) -> &[LoraWeights] {
        self.sites.get(site.index()).map_or(&[], Vec::as_slice)
    }
}
