//! A step over all tensors of an adapter on a card: hundreds of small ones, whose launches one by one would take longer than
//! their work.

use super::Hyper;
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Gpu, Grid, blocks, f32_only, over_elements};
use crate::tensor::Matrix;

/// Blocks that share a tensor's part of the norm.
const BLOCKS_OF_NORM: u32 = 8;
/// The most blocks that share a tensor's step; each goes on where it ends.
const MOST_BLOCKS: u32 = 64;

/// A tensor of an adapter, as a step changes it.
pub(crate) struct Tensor<'a> {
    pub(crate) parameter: &'a mut Matrix,
    pub(crate) first: &'a mut Matrix,
    pub(crate) second: &'a mut Matrix,
    pub(crate) gradient: &'a Matrix,
    /// Its learning rate over that of the step.
    pub(crate) ratio: f64,
}

/// √Σ g² over all elements of all gradients. Waits.
pub(super) fn norm(gradients: &[&Matrix]) -> Result<f64> {
    let Some(gpu) = gpu_of(gradients.first().copied())? else { return Ok(0.0) };
    let partials = squares(&gpu, &table(&gpu, gradients.iter().copied())?, gradients)?;
    Ok(partials.download_f32()?.into_iter().map(f64::from).sum::<f64>().sqrt())
}

/// One step, all in place; `step` counts from 1, and gradients whose norm is over `max_norm` are clipped to it, 0 for never.
pub(crate) fn step(
    hyper: Hyper,
    learning_rate: f64,
    step: u64,
    max_norm: f64,
    tensors: &mut [Tensor<'_>],
) -> Result<()> {
    let gradients: Vec<&Matrix> = tensors.iter().map(|tensor| tensor.gradient).collect();
    let Some(gpu) = gpu_of(gradients.first().copied())? else { return Ok(()) };
    let of_gradients = table(&gpu, gradients.iter().copied())?;
    let norm = norm_of(&gpu, &squares(&gpu, &of_gradients, &gradients)?)?;
    let same = |tensor: &Tensor<'_>| {
        let len = tensor.gradient.len();
        [&*tensor.parameter, &*tensor.first, &*tensor.second].iter().all(|matrix| matrix.len() == len)
    };
    if !tensors.iter().all(same) {
        return Err(Error::new(Code::Internal, "gradients or moments of other sizes than their parameters"));
    }
    let tables = [
        table(&gpu, tensors.iter().map(|tensor| &*tensor.parameter))?,
        of_gradients,
        table(&gpu, tensors.iter().map(|tensor| &*tensor.first))?,
        table(&gpu, tensors.iter().map(|tensor| &*tensor.second))?,
        lengths(&gpu, &gradients)?,
        Array::upload_f32(&gpu, &tensors.iter().map(|tensor| tensor.ratio as f32).collect::<Vec<_>>())?,
    ];
    let mut args: Vec<Arg> = tables.iter().map(|table| table.at(0)).collect();
    args.extend(factors(hyper, learning_rate, step, max_norm).map(Arg::from));
    let mut skipped = Array::zeros(&gpu, Element::U32, 1)?;
    args.extend([norm.at(0), Arg::null(), skipped.at_mut(0)]);
    let longest = gradients.iter().map(|gradient| gradient.len()).max().unwrap_or_default();
    let mut grid = over_elements(longest, &[Element::F32]);
    grid.blocks = [grid.blocks[0].min(MOST_BLOCKS), blocks(gradients.len(), 1), 1];
    gpu.launch("adamw_f32", grid, &args)
}

fn factors(hyper: Hyper, learning_rate: f64, step: u64, max_norm: f64) -> [f32; 10] {
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let (correction1, correction2) = (1.0 - hyper.beta1.powi(power), 1.0 - hyper.beta2.powi(power));
    [
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
    ]
    .map(|factor| factor as f32)
}

/// Σ g², in parts that follow from the sizes alone, so a sum has the same bits on every card.
fn squares(gpu: &Gpu, of_gradients: &Array, gradients: &[&Matrix]) -> Result<Array> {
    let mut partials = Array::new(gpu, Element::F32, gradients.len() * BLOCKS_OF_NORM as usize)?;
    let lengths = lengths(gpu, gradients)?;
    let grid = Grid { blocks: [BLOCKS_OF_NORM, blocks(gradients.len(), 1), 1], threads: 256, shared: 0 };
    let args = [of_gradients.at(0), lengths.at(0), partials.at_mut(0)];
    gpu.launch("gradient_squares_f32", grid, &args)?;
    Ok(partials)
}

/// Their root, on the card.
fn norm_of(gpu: &Gpu, partials: &Array) -> Result<Array> {
    let mut norm = Array::new(gpu, Element::F32, 1)?;
    let args = [partials.at(0), Arg::from(partials.len() as u64), norm.at_mut(0)];
    gpu.launch("gradient_norm_f32", Grid::of(1, 1024), &args)?;
    Ok(norm)
}

fn gpu_of(first: Option<&Matrix>) -> Result<Option<Gpu>> {
    first.map(|matrix| Ok(matrix.array()?.gpu().clone())).transpose()
}

/// Where matrices lie.
fn table<'a>(gpu: &Gpu, matrices: impl Iterator<Item = &'a Matrix>) -> Result<Array> {
    words(gpu, matrices.map(|matrix| Ok(f32_only(matrix.array()?)?.address_of(0))))
}

fn lengths(gpu: &Gpu, matrices: &[&Matrix]) -> Result<Array> {
    words(gpu, matrices.iter().map(|matrix| Ok(matrix.len() as u64)))
}

/// A table of 64-bit numbers.
fn words(gpu: &Gpu, values: impl Iterator<Item = Result<u64>>) -> Result<Array> {
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(value?.to_le_bytes());
    }
    Array::upload_bytes(gpu, &bytes)
}
