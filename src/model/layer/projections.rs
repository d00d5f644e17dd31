//! Linear layers with the deltas of a pass on top.

use super::super::sites::{LoraGradients, Site};
use super::Pass;
use crate::error::Result;
use crate::ops::lora::{self, Dropout, Layer, LoraWeights, Projected};
use crate::tensor::Matrix;
use crate::weights::{Join, Linear, Operand};
use std::ops::Range;

/// A linear layer that deltas can attach to.
pub(in crate::model) struct Adaptable {
    pub(in crate::model) site: Site,
    pub(in crate::model) linear: Linear,
}

impl Adaptable {
    /// With the deltas of rows that come in to the layer.
    pub(super) fn of_inputs<'a>(&'a self, pass: &Pass<'a>) -> Layer<'a> {
        self.layer(pass, pass.inputs_at(self.site).collect())
    }

    /// With those of rows that go on behind its attention.
    pub(super) fn of_outputs<'a>(&'a self, pass: &Pass<'a>) -> Layer<'a> {
        self.layer(pass, pass.outputs_at(self.site).collect())
    }

    fn layer<'a>(&'a self, pass: &Pass<'a>, runs: Vec<(Range<usize>, &'a [LoraWeights])>) -> Layer<'a> {
        Layer { linear: &self.linear, runs, dropout: pass.dropout_at(self.site) }
    }

    /// The backward pass of a layer in which all rows run through one stack.
    pub(super) fn backward<'a>(&'a self, pass: &Pass<'a>, dy: &Matrix) -> Result<Backward<'a>> {
        let deltas = pass.trained_at(self.site);
        let dropout = pass.dropout_at(self.site);
        Ok(Backward { of: self, deltas, dropout, dprojected: lora::project_gradients(deltas, dy)? })
    }

    /// Whether a pass trains it.
    pub(super) fn is_trained(&self, pass: &Pass<'_>) -> bool {
        !pass.trained_at(self.site).is_empty()
    }
}

/// A backward pass, with the gradients of the low-rank activations.
pub(super) struct Backward<'a> {
    of: &'a Adaptable,
    deltas: &'a [LoraWeights],
    dropout: Option<Dropout>,
    dprojected: Projected,
}

impl Backward<'_> {
    /// The gradient of the input.
    pub(super) fn input_gradient(&self, dy: &Matrix) -> Result<Matrix> {
        lora::input_gradient(&self.of.linear, self.deltas, self.dropout, &self.dprojected, dy)
    }

    /// Adds the gradient of the input to `dx`.
    fn add_input_gradient(&self, dy: &Matrix, dx: &mut Matrix) -> Result<()> {
        lora::add_input_gradient(&self.of.linear, self.deltas, self.dropout, &self.dprojected, dy, dx)
    }

    /// The gradients of the deltas, with the low-rank activations of the forward pass.
    pub(super) fn weight_gradients(
        &self,
        x: &Matrix,
        projected: &Projected,
        dy: &Matrix,
        gradients: &mut LoraGradients,
    ) -> Result<()> {
        let of_site = lora::weight_gradients(self.deltas, self.dropout, x, projected, &self.dprojected, dy)?;
        gradients.insert(self.of.site, of_site);
        Ok(())
    }

    /// The same, where the low-rank activations were not saved.
    pub(super) fn weight_gradients_again(&self, x: &Matrix, dy: &Matrix, gradients: &mut LoraGradients) -> Result<()> {
        let projected = lora::project(self.deltas, self.dropout, x, 0..x.rows())?;
        self.weight_gradients(x, &projected, dy, gradients)
    }
}

/// Projections of one input: each a linear layer, or several fused in one whose output columns are cut.
pub(in crate::model) struct Projections {
    pub(in crate::model) layers: Vec<Adaptable>,
    /// Of the projections.
    pub(in crate::model) widths: Vec<usize>,
}

impl Projections {
    /// Whether products of so many rows are best made of their form in 8 bits.
    pub(super) fn takes_eight_bits(&self, rows: usize) -> bool {
        self.layers.iter().any(|layer| layer.linear.takes_eight_bits(rows))
    }

    /// The projections of `x`, and the low-rank activations of each layer.
    pub(super) fn forward<'a>(
        &'a self,
        x: &Operand<'_>,
        with_deltas: impl Fn(&'a Adaptable) -> Layer<'a>,
    ) -> Result<(Vec<Matrix>, Vec<Projected>)> {
        let layers: Vec<Layer<'_>> = self.layers.iter().map(with_deltas).collect();
        let (mut outputs, projected): (Vec<_>, Vec<_>) = lora::outputs(&layers, x)?.into_iter().unzip();
        if outputs.len() != self.widths.len() {
            outputs = Matrix::join_columns(outputs)?.split_columns(&self.widths)?;
        }
        Ok((outputs, projected))
    }

    /// What `join` makes of two projections of `x`, where they are made together in host memory.
    pub(super) fn joined<'a>(
        &'a self,
        x: &Operand<'_>,
        with_deltas: impl Fn(&'a Adaptable) -> Layer<'a>,
        join: Join<'_>,
    ) -> Result<Option<Matrix>> {
        let [one, other] = self.layers.as_slice() else { return Ok(None) };
        lora::joined(&[one, other].map(with_deltas), x, join)
    }

    /// The gradients of the deltas; and of `x`, if anything is trained below.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        x: &Matrix,
        projected: &[Projected],
        dys: Vec<Matrix>,
        wants_input: bool,
        gradients: &mut LoraGradients,
    ) -> Result<Option<Matrix>> {
        let dys = if self.layers.len() == dys.len() { dys } else { vec![Matrix::join_columns(dys)?] };
        let mut dx: Option<Matrix> = None;
        for ((layer, projected), dy) in self.layers.iter().zip(projected).zip(dys) {
            let backward = layer.backward(pass, &dy)?;
            backward.weight_gradients(x, projected, &dy, gradients)?;
            if !wants_input {
                continue;
            }
            match &mut dx {
                None => dx = Some(backward.input_gradient(&dy)?),
                Some(dx) => backward.add_input_gradient(&dy, dx)?,
            }
        }
        Ok(dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::Batch;
    use crate::model::kv_pool::Placements;
    use crate::model::sites::{APART, FUSED, LoraStack, ModuleTable, Sites};
    use crate::ops::rope::Rotation;
    use crate::tensor::Device;
    use crate::tensor::testing::{assert_close, devices, normal};
    use std::sync::Arc;

    const WIDTHS: [usize; 3] = [8, 4, 4];

    fn projections(table: &'static ModuleTable, weights: Vec<Matrix>) -> Projections {
        let layers = table
            .modules()
            .zip(weights)
            .map(|(module, weight)| Adaptable { site: Site { layer: 0, module }, linear: Linear::dense(weight, None) });
        Projections { layers: layers.collect(), widths: WIDTHS.to_vec() }
    }

    fn run(
        table: &'static ModuleTable,
        weights: Vec<Matrix>,
        deltas: Vec<LoraWeights>,
        device: &Device,
    ) -> (Vec<Matrix>, Matrix, LoraGradients) {
        let projections = projections(table, weights);
        let mut stack = LoraStack::none();
        for (layer, delta) in projections.layers.iter().zip(deltas) {
            stack.push(layer.site, delta);
        }
        let mut batch = Batch::default();
        batch.push_document(&[1, 2, 3, 4, 5], 0..5);
        let rotation = Rotation::new(&[0; 5], &[1.0], 1.0, device).unwrap();
        let stacks = [&stack];
        let pass =
            Pass::new(&batch, vec![rotation], Placements::default(), Sites { table, num_layers: 1 }, &stacks, None);
        let x = normal(5, 6, 1).to(device).unwrap();
        let (outputs, projected) = projections.forward(&Operand::of(&x), |layer| layer.of_inputs(&pass)).unwrap();
        let dys = WIDTHS.map(|width| normal(5, width, width as u64).to(device).unwrap()).into();
        let mut gradients = LoraGradients::default();
        let dx = projections.backward(&pass, &x, &projected, dys, true, &mut gradients).unwrap().unwrap();
        (outputs, dx, gradients)
    }

    /// One delta over fused projections is one over each with the same A and its rows of B.
    #[test]
    fn fused_projections_are_those_apart() {
        for device in devices() {
            let on = |matrix: Matrix| matrix.to(&device).unwrap();
            let (fused, a, b) = (normal(16, 6, 2), Arc::new(on(normal(2, 6, 3))), normal(16, 2, 4));
            let rows = [0..8, 8..12, 12..16];
            let delta = |b| LoraWeights::new(a.clone(), Arc::new(b), 1.5);
            let cut = |matrix: &Matrix| rows.clone().map(|rows| on(matrix.part(rows).unwrap()));
            let apart = run(&APART, cut(&fused).into(), cut(&b).map(delta).into(), &device);
            let whole = run(&FUSED, vec![on(fused)], vec![delta(on(b))], &device);
            for (found, expected) in whole.0.iter().zip(&apart.0) {
                assert_close(found, expected, 1e-6);
            }
            assert_close(&whole.1, &apart.1, 1e-5);
            let site = |table: &'static ModuleTable, index| Sites { table, num_layers: 1 }.iter().nth(index).unwrap();
            let [found] = whole.2.at(site(&FUSED, 0)) else { panic!("no gradient of the fused module") };
            let mut sum = Matrix::zeros(2, 6, &device).unwrap();
            for (index, rows) in rows.iter().enumerate() {
                let [expected] = apart.2.at(site(&APART, index)) else { panic!("no gradient") };
                assert_close(&found.b.part(rows.clone()).unwrap(), &expected.b, 1e-5);
                sum.add(&expected.a).unwrap();
            }
            assert_close(&found.a, &sum, 1e-5);
        }
    }
}
