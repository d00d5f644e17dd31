//! The names of an adapter's tensors, as PEFT stores them.

use crate::model::Site;

/// Which of a site's two matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Factor {
    A,
    B,
}

impl Factor {
    pub(super) fn name(self) -> &'static str {
        match self {
            Factor::A => "lora_A",
            Factor::B => "lora_B",
        }
    }
}

/// The name under which PEFT stores a tensor of a causal language model.
pub(super) fn tensor_name(site: Site, factor: Factor) -> String {
    format!("base_model.model.{}.{}.weight", site.path(), factor.name())
}

/// The module and the matrix that a stored name means. PEFT before 0.4, and some tools still, put the adapter's name
/// between `lora_A` and `weight`.
pub(super) fn parse_tensor_name(name: &str) -> Option<(&str, Factor)> {
    let stem = name.strip_prefix("base_model.model.")?.strip_suffix(".weight")?;
    for factor in [Factor::A, Factor::B] {
        if let Some((module, adapter)) = stem.rsplit_once(factor.name()) {
            let nested = adapter.is_empty() || (adapter.starts_with('.') && !adapter[1..].contains('.'));
            if let (Some(module), true) = (module.strip_suffix('.'), nested) {
                return Some((module, factor));
            }
        }
    }
    None
}
