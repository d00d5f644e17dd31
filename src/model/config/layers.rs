//! What differs from layer to layer: windows of keys, and positions.

use super::fields::Fields;
use super::windows;
use crate::error::Result;
use crate::model::families::{Family, Ropes};

/// What is a layer's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerConfig {
    /// The number of keys a query sees, itself included; `None` for all before it.
    pub(crate) window: Option<usize>,
    /// Which of the model's rotations queries and keys go through; `None` where positions do not matter.
    pub(crate) rope: Option<usize>,
}

pub(super) fn read(
    fields: Fields<'_>,
    family: &Family,
    layers: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<LayerConfig>> {
    let rotates = rotates(fields, family, layers)?;
    let windows = windows::read(fields, family, &rotates, notes)?;
    let of = |(window, rotates): (Option<usize>, bool)| LayerConfig {
        window,
        rope: rotates.then_some(usize::from(family.ropes == Ropes::ByWindow && window.is_some())),
    };
    Ok(windows.into_iter().zip(rotates).map(of).collect())
}

/// By layer, whether queries and keys are rotated: what `no_rope_layers` has a 1 for, or all but every
/// `no_rope_layer_interval`-th.
fn rotates(fields: Fields<'_>, family: &Family, layers: usize) -> Result<Vec<bool>> {
    if !family.settings.contains(&"no_rope_layers") {
        return Ok(vec![true; layers]);
    }
    match (fields.reals("no_rope_layers")?, fields.size("no_rope_layer_interval")?.unwrap_or(0)) {
        (Some(stated), _) if stated.len() == layers => Ok(stated.into_iter().map(|stated| stated != 0.0).collect()),
        (Some(stated), _) => {
            Err(super::bad(format!("`no_rope_layers` has {} entries; expected {layers}", stated.len())))
        }
        (None, 0) => Ok(vec![true; layers]),
        (None, interval) => Ok((1..=layers).map(|number| !number.is_multiple_of(interval)).collect()),
    }
}
