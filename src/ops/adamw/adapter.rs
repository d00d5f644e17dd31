//! A step over all tensors of an adapter on a card: three launches, and none that the host waits for.
//!
//! Parameters and moments change in place. Learning rates differ by a ratio for each tensor (LoRA+); the norm that clips
//! the gradients never leaves the card, and a step whose norm or loss is no finite number changes nothing.

use super::{Hyper, Moments};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Gpu, Grid, blocks, f32_only, over_elements};
use crate::tensor::Matrix;

/// Blocks that share a tensor's part of the norm.
const BLOCKS_OF_NORM: u32 = 8;
/// The most blocks that share a tensor's step; each goes on where it ends.
const MOST_BLOCKS: u32 = 64;

/// Where the tensors of an adapter lie, by their addresses: they must live, and stay where they are, as long as this.
pub(crate) struct Tensors {
    gpu: Gpu,
    parameters: Array,
    firsts: Array,
    seconds: Array,
    lengths: Array,
    ratios: Array,
    partials: Array,
    norm: Array,
    skipped: Array,
    sizes: Vec<usize>,
}

/// One of them.
pub(crate) struct Tensor<'a> {
    pub(crate) parameter: &'a Matrix,
    pub(crate) moments: &'a Moments,
    /// Its learning rate over that of a step.
    pub(crate) ratio: f32,
}

impl Tensors {
    /// There must be at least one.
    pub(crate) fn new(tensors: &[Tensor<'_>]) -> Result<Self> {
        let none = || Error::new(Code::Internal, "a step over no tensors");
        let gpu = tensors.first().ok_or_else(none)?.parameter.array()?.gpu().clone();
        let table = |of: &dyn Fn(&Tensor<'_>) -> Result<u64>| words(&gpu, tensors.iter().map(of));
        let ratios: Vec<f32> = tensors.iter().map(|tensor| tensor.ratio).collect();
        Ok(Tensors {
            parameters: table(&|tensor| address(tensor.parameter))?,
            firsts: table(&|tensor| address(&tensor.moments.first))?,
            seconds: table(&|tensor| address(&tensor.moments.second))?,
            lengths: table(&|tensor| Ok(tensor.parameter.len() as u64))?,
            ratios: Array::upload_f32(&gpu, &ratios)?,
            partials: Array::new(&gpu, Element::F32, tensors.len() * BLOCKS_OF_NORM as usize)?,
            norm: Array::zeros(&gpu, Element::F32, 1)?,
            skipped: Array::zeros(&gpu, Element::U32, 1)?,
            sizes: tensors.iter().map(|tensor| tensor.parameter.len()).collect(),
            gpu,
        })
    }

    /// Where the gradients lie, in the order of the tensors.
    pub(crate) fn gradients(&self, gradients: &[&Matrix]) -> Result<Array> {
        if gradients.iter().map(|gradient| gradient.len()).ne(self.sizes.iter().copied()) {
            return Err(Error::new(Code::Internal, "gradients of other sizes than their parameters"));
        }
        words(&self.gpu, gradients.iter().map(|gradient| address(gradient)))
    }

    /// One step; `step` counts from 1, `loss` is one number on the card, `max_norm` 0 for no clipping.
    pub(crate) fn step(
        &mut self,
        hyper: Hyper,
        learning_rate: f64,
        step: u64,
        max_norm: f64,
        gradients: &Array,
        loss: Option<&Array>,
    ) -> Result<()> {
        self.find_norm(gradients)?;
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let (correction1, correction2) = (1.0 - hyper.beta1.powi(power), 1.0 - hyper.beta2.powi(power));
        let tables = [&self.parameters, gradients, &self.firsts, &self.seconds, &self.lengths, &self.ratios];
        let factors = [
            learning_rate,
            hyper.weight_decay,
            hyper.beta1,
            hyper.beta2,
            1.0 - hyper.beta1,
            1.0 - hyper.beta2,
            correction1,
            correction2.sqrt(),
            hyper.eps,
            max_norm,
        ];
        let mut args: Vec<Arg> = tables.into_iter().map(|table| table.at(0)).collect();
        args.extend(factors.map(|factor| Arg::from(factor as f32)));
        args.extend([self.norm.at(0), loss.map_or(Arg::null(), |loss| loss.at(0)), self.skipped.at_mut(0)]);
        let longest = self.sizes.iter().copied().max().unwrap_or_default();
        let mut grid = over_elements(longest, &[Element::F32]);
        grid.blocks = [grid.blocks[0].min(MOST_BLOCKS), self.count(), 1];
        self.gpu.launch("adamw_f32", grid, &args)
    }

    /// The norm of the gradients of the last step. Waits.
    pub(crate) fn norm(&self) -> Result<f64> {
        Ok(self.norm.download_f32()?.into_iter().map(f64::from).sum())
    }

    /// Whether a step was skipped since this was asked last. Waits.
    pub(crate) fn skipped(&mut self) -> Result<bool> {
        let skipped = self.skipped.download_u32()? != [0];
        if skipped {
            self.skipped = Array::zeros(&self.gpu, Element::U32, 1)?;
        }
        Ok(skipped)
    }

    fn find_norm(&mut self, gradients: &Array) -> Result<()> {
        let grid = Grid { blocks: [BLOCKS_OF_NORM, self.count(), 1], threads: 256, shared: 0 };
        let args = [gradients.at(0), self.lengths.at(0), self.partials.at_mut(0)];
        self.gpu.launch("gradient_squares_f32", grid, &args)?;
        let args = [self.partials.at(0), Arg::from(self.partials.len() as u64), self.norm.at_mut(0)];
        self.gpu.launch("gradient_norm_f32", Grid::of(1, 1024), &args)
    }

    fn count(&self) -> u32 {
        blocks(self.sizes.len(), 1)
    }
}

fn address(matrix: &Matrix) -> Result<u64> {
    Ok(f32_only(matrix.array()?)?.address_of(0))
}

/// A table of 64-bit numbers.
fn words(gpu: &Gpu, values: impl Iterator<Item = Result<u64>>) -> Result<Array> {
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(value?.to_le_bytes());
    }
    Array::upload_bytes(gpu, &bytes)
}
