//! Layers that share an input, in host memory, with deltas that no one trains: one parallel loop makes what all of these project
//! the input to, and one more the outputs with everything on top.

use super::frozen::Frozen;
use super::layer::Layer;
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::{Dense, Join, Operand, Sum, Up, products};
use std::ops::Range;

/// A delta of a layer, and what it projects the input to.
struct Delta<'a> {
    layer: usize,
    rows: Range<usize>,
    a: &'a Dense,
    b: &'a Dense,
    scaling: f32,
    low: Option<Matrix>,
}

/// The outputs of layers, on top of `onto`; `None` where a delta is trained, or products are made otherwise.
pub(super) fn outputs(layers: &[Layer<'_>], onto: Option<&Matrix>, x: &Operand<'_>) -> Result<Option<Vec<Matrix>>> {
    with_sums(layers, onto, x, |sums| Sum::outputs(sums, x))
}

/// What `join` makes of the outputs of two layers, where one parallel loop makes both.
pub(crate) fn joined(layers: &[Layer<'_>; 2], x: &Operand<'_>, join: Join<'_>) -> Result<Option<Matrix>> {
    with_sums(layers, None, x, |sums| Sum::joined(sums, x, join))
}

/// What `make` makes of the layers' products and what goes on top of them.
fn with_sums<R>(
    layers: &[Layer<'_>],
    onto: Option<&Matrix>,
    x: &Operand<'_>,
    make: impl FnOnce(&[Sum<'_>]) -> Result<Option<R>>,
) -> Result<Option<R>> {
    if !x.matrix().on_host() || !layers.iter().all(|layer| layer.linear.has_panels()) {
        return Ok(None);
    }
    let Some(mut deltas) = deltas(layers) else { return Ok(None) };
    project(&mut deltas, x)?;
    let ups = |index: usize| {
        let of_layer = deltas.iter().filter(move |delta| delta.layer == index);
        of_layer.filter_map(|Delta { rows, b, scaling, low, .. }| {
            low.as_ref().map(|low| Up { rows: rows.clone(), low, b, scaling: *scaling })
        })
    };
    let layers = layers.iter().enumerate();
    let sums: Vec<Sum<'_>> = layers.map(|(index, layer)| layer.linear.sum(ups(index).collect(), onto)).collect();
    make(&sums)
}

/// Those of all layers; `None` if one of them is trained.
fn deltas<'a>(layers: &[Layer<'a>]) -> Option<Vec<Delta<'a>>> {
    let mut all = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        for (rows, deltas) in &layer.runs {
            for delta in *deltas {
                let Some(Frozen::Packed { a, b, unit }) = delta.frozen.as_deref() else { return None };
                let scaling = delta.scaling as f32 * unit;
                all.push(Delta { layer: index, rows: rows.clone(), a, b, scaling, low: None });
            }
        }
    }
    Some(all)
}

/// Multiplies the input with the A of each delta, those of the same rows together.
fn project(deltas: &mut [Delta<'_>], x: &Operand<'_>) -> Result<()> {
    while let Some(rows) = deltas.iter().find(|delta| delta.low.is_none()).map(|delta| delta.rows.clone()) {
        let alike: Vec<&mut Delta<'_>> = deltas.iter_mut().filter(|delta| delta.rows == rows).collect();
        let all: Vec<&Dense> = alike.iter().map(|delta| delta.a).collect();
        let projected = match rows == (0..x.matrix().rows()) {
            true => products(&all, x)?,
            false => products(&all, &Operand::owned(x.matrix().part(rows)?))?,
        };
        alike.into_iter().zip(projected).for_each(|(delta, low)| delta.low = Some(low));
    }
    Ok(())
}
