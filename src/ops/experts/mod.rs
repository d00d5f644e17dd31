//! Mixture of experts: which experts a token goes to, with which weights, and how their outputs come together.
//!
//! `p = softmax(logits)`; the `per_token` largest of a row are its experts, and their p, divided by their sum if `normalise`,
//! the weights. A token's output is the weighted sum of its experts'. Routing itself is a small computation in host memory,
//! whatever the device.

mod cpu;
mod cuda;

use super::reference;
use crate::error::Result;
use crate::tensor::Matrix;

/// The experts of the tokens of a pass.
pub(crate) struct Routing {
    probabilities: Matrix,
    /// By expert: its tokens and their weights.
    experts: Vec<Chosen>,
    normalise: bool,
}

/// The tokens of one expert, ascending, and their weights.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) rows: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

impl Routing {
    /// `logits [tokens, experts]`; ties go to the expert that comes first.
    pub(crate) fn of(logits: Matrix, per_token: usize, normalise: bool) -> Result<Self> {
        let (tokens, experts) = logits.shape();
        let mut probabilities = logits.into_values()?;
        let mut chosen = vec![Chosen::default(); experts];
        for (row, p) in probabilities.chunks_exact_mut(experts.max(1)).enumerate() {
            for (expert, weight) in cpu::choose(p, per_token, normalise) {
                chosen[expert].rows.push(row as u32);
                chosen[expert].weights.push(weight);
            }
        }
        let probabilities = Matrix::new(tokens, experts, probabilities, &crate::tensor::Device::host())?;
        Ok(Routing { probabilities, experts: chosen, normalise })
    }

    /// The experts, those without tokens among them.
    pub(crate) fn experts(&self) -> &[Chosen] {
        &self.experts
    }

    /// The gradient of the logits, given that of the weights as [`Routing::experts`] has them.
    pub(crate) fn backward(&self, dweights: &[Vec<f32>], device: &crate::tensor::Device) -> Result<Matrix> {
        let (tokens, experts) = self.probabilities.shape();
        let mut dlogits = vec![0.0f32; tokens * experts];
        for (expert, (chosen, dweights)) in self.experts.iter().zip(dweights).enumerate() {
            for (row, dweight) in chosen.rows.iter().zip(dweights) {
                dlogits[*row as usize * experts + expert] = *dweight;
            }
        }
        let mut weights = vec![0.0f32; tokens * experts];
        for (expert, chosen) in self.experts.iter().enumerate() {
            for (row, weight) in chosen.rows.iter().zip(&chosen.weights) {
                weights[*row as usize * experts + expert] = *weight;
            }
        }
        let rows = self.probabilities.slice()?.chunks_exact(experts.max(1)).zip(weights.chunks_exact(experts.max(1)));
        for (d, (p, w)) in dlogits.chunks_exact_mut(experts.max(1)).zip(rows) {
            cpu::choose_backward(p, w, self.normalise, d);
        }
        Matrix::new(tokens, experts, dlogits, device)
    }
}

/// `to[row] += weight · from`, row by row.
pub(crate) fn add_weighted(to: &mut Matrix, rows: &[u32], weights: &[f32], from: &Matrix) -> Result<()> {
    if to.on_host() {
        return cpu::add_weighted(to, rows, weights, from);
    }
    if to.on_gpu() {
        return cuda::add_weighted(to, rows, weights, from);
    }
    *to = Matrix::of_tensor(&reference::add_weighted(&to.tensor()?, rows, weights, &from.tensor()?)?)?;
    Ok(())
}

/// Multiplies each row with its weight.
pub(crate) fn scale_rows(x: &mut Matrix, weights: &[f32]) -> Result<()> {
    if x.on_host() {
        return cpu::scale_rows(x, weights);
    }
    if x.on_gpu() {
        return cuda::scale_rows(x, weights);
    }
    *x = Matrix::of_tensor(&reference::scale_rows(&x.tensor()?, weights)?)?;
    Ok(())
}

/// The scalar product of each row of `a` with that of `b`.
pub(crate) fn row_products(a: &Matrix, b: &Matrix) -> Result<Vec<f32>> {
    if a.on_gpu() {
        return cuda::row_products(a, b);
    }
    match a.on_host() {
        true => cpu::row_products(a, b),
        false => Ok((a.tensor()? * b.tensor()?)?.sum(1)?.to_vec1()?),
    }
}
