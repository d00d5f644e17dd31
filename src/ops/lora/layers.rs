//! Layers that share an input, with the deltas of its rows on top. In host memory their products are one parallel loop; of few rows
//! on a card, or of some with K-quants, one launch, in which deltas that no one trains are added as well; elsewhere they are made
//! one after the other.

use super::layer::Layer;
use super::{LoraWeights, Projected, add_deltas, cuda, forward, in_host_memory};
use crate::error::Result;
use crate::tensor::Matrix;
use crate::weights::{Operand, Part};

/// The output; and for a backward pass the low-rank activations, if all rows have the same deltas.
fn alone(layer: &Layer<'_>, x: &Operand<'_>) -> Result<(Matrix, Projected)> {
    if let Some(deltas) = layer.deltas_of_all(x.matrix().rows()) {
        return forward(layer.linear, deltas, layer.dropout, x);
    }
    let mut y = layer.linear.forward(x)?;
    let projected = add_runs(layer, &mut y, x)?;
    Ok((y, projected))
}

/// Adds the deltas of all runs.
fn add_runs(layer: &Layer<'_>, y: &mut Matrix, x: &Operand<'_>) -> Result<Projected> {
    let mut projected = Vec::new();
    for (rows, deltas) in &layer.runs {
        projected = add_deltas(y, rows.clone(), deltas, layer.dropout, x.matrix())?;
    }
    Ok(projected)
}

/// The outputs of layers that share an input; see [`Layer`].
pub(crate) fn outputs(layers: &[Layer<'_>], x: &Operand<'_>) -> Result<Vec<(Matrix, Projected)>> {
    match together(layers, None, x)? {
        Some(outputs) => Ok(outputs),
        None => layers.iter().map(|layer| alone(layer, x)).collect(),
    }
}

/// The output of one.
pub(crate) fn output(layer: Layer<'_>, x: &Operand<'_>) -> Result<(Matrix, Projected)> {
    match in_host_memory::outputs(std::slice::from_ref(&layer), None, x)?.and_then(|mut one| one.pop()) {
        Some(y) => Ok((y, Vec::new())),
        None => alone(&layer, x),
    }
}

/// The residual stream with a layer's output on it.
pub(crate) fn output_onto(layer: Layer<'_>, residual: &Matrix, x: &Operand<'_>) -> Result<(Matrix, Projected)> {
    let layers = [layer];
    if let Some(output) = together(&layers, Some(residual), x)?.and_then(|mut one| one.pop()) {
        return Ok(output);
    }
    let (mut y, projected) = alone(&layers[0], x)?;
    y.add(residual)?;
    Ok((y, projected))
}

/// The outputs, on top of `onto`, where one parallel loop or one launch makes their products.
fn together(layers: &[Layer<'_>], onto: Option<&Matrix>, x: &Operand<'_>) -> Result<Option<Vec<(Matrix, Projected)>>> {
    if let Some(ys) = in_host_memory::outputs(layers, onto, x)? {
        return Ok(Some(ys.into_iter().map(|y| (y, Vec::new())).collect()));
    }
    let rows = x.matrix().rows();
    if !Part::are_one(layers.iter().map(|layer| layer.linear), x) {
        return Ok(None);
    }
    let joining: Option<Vec<Option<&LoraWeights>>> = layers.iter().map(|layer| layer.joining(rows)).collect();
    let deltas = joining.as_deref().unwrap_or(&[]);
    let all: Vec<&Matrix> = deltas.iter().flatten().map(|delta| &*delta.a).collect();
    let low = match all.is_empty() {
        true => None,
        false => Some(cuda::down(&all, x.matrix(), 0..rows)?),
    };
    let parts: Vec<Part<'_>> = layers
        .iter()
        .zip(deltas.iter().copied().chain(std::iter::repeat(None)))
        .map(|(layer, delta)| Part { linear: layer.linear, delta: delta.map(|delta| (&*delta.b, delta.scaling)), onto })
        .collect();
    let Some(ys) = Part::outputs(&parts, low.as_ref(), x)? else { return Ok(None) };
    let with_deltas = |(layer, mut y): (&Layer<'_>, Matrix)| {
        let projected = if joining.is_some() { Vec::new() } else { add_runs(layer, &mut y, x)? };
        Ok((y, projected))
    };
    layers.iter().zip(ys).map(with_deltas).collect::<Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::{assert_close, devices, normal};
    use crate::weights::Linear;
    use std::ops::Range;
    use std::sync::Arc;

    const INPUTS: usize = 96;
    const OUTPUTS: [usize; 3] = [40, 9, 17];

    /// Three layers, two of them with a bias.
    fn linears(device: &Device) -> Vec<Linear> {
        let linear = |(index, outputs): (usize, usize)| {
            let on = |matrix: Matrix| matrix.to(device).unwrap();
            let bias = (index != 1).then(|| on(normal(1, outputs, 20 + index as u64)));
            Linear::dense(on(normal(outputs, INPUTS, 10 + index as u64)), bias)
        };
        OUTPUTS.into_iter().enumerate().map(linear).collect()
    }

    fn delta(outputs: usize, rank: usize, device: &Device) -> LoraWeights {
        let on = |matrix: Matrix| Arc::new(matrix.to(device).unwrap());
        let (a, b) = (on(normal(rank, INPUTS, 30 + rank as u64)), on(normal(outputs, rank, 40 + rank as u64)));
        LoraWeights::new(a, b, 0.5).frozen(false).unwrap()
    }

    /// By layer, rows and their deltas, of which some have none and some two.
    type Runs<'a> = Vec<Vec<(Range<usize>, &'a [LoraWeights])>>;

    fn check(rows: usize, runs: impl for<'a> Fn(&'a [[LoraWeights; 2]]) -> Runs<'a>) {
        let mut expected: Option<Vec<Matrix>> = None;
        for device in devices() {
            let linears = linears(&device);
            let deltas: Vec<_> = OUTPUTS.iter().map(|outputs| [8, 3].map(|r| delta(*outputs, r, &device))).collect();
            let x = Operand::owned(normal(rows, INPUTS, 1).to(&device).unwrap());
            let layers = |runs: Runs<'_>| -> Vec<Matrix> {
                let layer = |(linear, runs)| Layer { linear, runs, dropout: None };
                let of_layers: Vec<Layer<'_>> = linears.iter().zip(runs).map(layer).collect();
                let mut found: Vec<Matrix> = outputs(&of_layers, &x).unwrap().into_iter().map(|(y, _)| y).collect();
                for (layer, outputs) in of_layers.into_iter().zip(OUTPUTS) {
                    let residual = normal(rows, outputs, 2).to(&device).unwrap();
                    found.push(output_onto(layer, &residual, &x).unwrap().0);
                }
                found
            };
            let found = layers(runs(&deltas));
            match &expected {
                None => expected = Some(found),
                Some(expected) => {
                    found.iter().zip(expected).for_each(|(found, of_host)| assert_close(found, of_host, 2e-6))
                }
            }
        }
    }

    #[test]
    fn layers_that_share_an_input_give_on_a_card_what_they_give_in_host_memory() {
        for rows in [1, 3, 8, 9] {
            check(rows, |_| vec![Vec::new(); 3]);
            check(rows, |deltas| deltas.iter().map(|both| vec![(0..rows, &both[..1])]).collect());
            // One without a delta, one with two, and two rows that differ.
            check(rows, |deltas| vec![vec![(0..rows, &deltas[0][1..])], Vec::new(), vec![(0..rows, &deltas[2][..1])]]);
            check(rows, |deltas| deltas.iter().map(|both| vec![(0..rows, &both[..])]).collect());
            if rows > 1 {
                check(rows, |deltas| {
                    deltas.iter().map(|both| vec![(0..1, &both[..1]), (1..rows, &both[1..])]).collect()
                });
            }
        }
    }
}
