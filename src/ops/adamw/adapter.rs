//! A step over all tensors of an adapter on a card: hundreds of small ones, whose launches one by one would take longer than
//! their work.

use super::Hyper;
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Gpu, Grid, blocks, over_elements};
use crate::tensor::Matrix;

/// Blocks that share a tensor's part of the norm, which has the same bits on every card.
const BLOCKS_OF_NORM: u32 = 8;
/// The most blocks that share a tensor's step; each goes on where it ends.
const MOST_BLOCKS: u32 = 64;

/// A tensor of an adapter, as a step changes it.
pub(crate) struct Tensor<'a> {
    pub(crate) parameter: &'a mut Matrix,
    /// The same in bf16, if products take it so.
    pub(crate) cast: Option<&'a mut Matrix>,
    pub(crate) first: &'a mut Matrix,
    pub(crate) second: &'a mut Matrix,
    pub(crate) gradient: &'a Matrix,
    /// Its learning rate over that of the step.
    pub(crate) ratio: f64,
}

/// √Σ g² over all elements of all gradients. Waits.
pub(super) fn norm(gradients: &[&Matrix]) -> Result<f64> {
    let Some(gpu) = gpu_of(gradients.first().copied())? else { return Ok(0.0) };
    let of_gradients = words(&gpu, gradients.iter().map(|gradient| address(gradient, Element::F32)))?;
    let lengths = words(&gpu, gradients.iter().map(|gradient| Ok(gradient.len() as u64)))?;
    let mut partials = Array::new(&gpu, Element::F32, gradients.len() * BLOCKS_OF_NORM as usize)?;
    let grid = Grid { blocks: [BLOCKS_OF_NORM, blocks(gradients.len(), 1), 1], threads: 256, shared: 0 };
    gpu.launch("gradient_squares_f32", grid, &[of_gradients.at(0), lengths.at(0), partials.at_mut(0)])?;
    Ok(partials.download_f32()?.into_iter().map(f64::from).sum::<f64>().sqrt())
}

/// One step, all in place; `step` counts from 1, and gradients are multiplied by `clip` first.
pub(crate) fn step(hyper: Hyper, learning_rate: f64, step: u64, clip: f64, tensors: &mut [Tensor<'_>]) -> Result<()> {
    let Some(gpu) = gpu_of(tensors.first().map(|tensor| tensor.gradient))? else { return Ok(()) };
    let table = words(&gpu, tensors.iter_mut().flat_map(entry))?;
    let mut args = vec![table.at(0)];
    args.extend(factors(hyper, learning_rate, step, clip).map(Arg::from));
    let longest = tensors.iter().map(|tensor| tensor.gradient.len()).max().unwrap_or_default();
    let mut grid = over_elements(longest, &[Element::F32]);
    grid.blocks = [grid.blocks[0].min(MOST_BLOCKS), blocks(tensors.len(), 1), 1];
    gpu.launch("adamw_f32", grid, &args)
}

/// As the kernel reads it.
fn entry(tensor: &mut Tensor<'_>) -> [Result<u64>; 7] {
    let len = tensor.gradient.len();
    let all = [&*tensor.parameter, &*tensor.first, &*tensor.second];
    let same = all.into_iter().chain(tensor.cast.as_deref()).all(|matrix| matrix.len() == len);
    let other = || Error::new(Code::Internal, "gradients or moments of other sizes than their parameters");
    [
        if same { address(tensor.parameter, Element::F32) } else { Err(other()) },
        address(tensor.gradient, Element::F32),
        address(tensor.first, Element::F32),
        address(tensor.second, Element::F32),
        tensor.cast.as_deref().map_or(Ok(0), |cast| address(cast, Element::Bf16)),
        Ok(len as u64),
        Ok(u64::from((tensor.ratio as f32).to_bits())),
    ]
}

fn factors(hyper: Hyper, learning_rate: f64, step: u64, clip: f64) -> [f32; 10] {
    let [correction1, correction2] = hyper.corrections(step);
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
        clip,
    ]
    .map(|factor| factor as f32)
}

fn gpu_of(first: Option<&Matrix>) -> Result<Option<Gpu>> {
    first.map(|matrix| Ok(matrix.array()?.gpu().clone())).transpose()
}

/// Where a matrix of that type lies.
fn address(matrix: &Matrix, element: Element) -> Result<u64> {
    let array = matrix.array()?;
    match array.element() == element {
        true => Ok(array.address_of(0)),
        false => Err(Error::new(Code::Internal, format!("{array:?} in a step where {} is expected", element.name()))),
    }
}

/// A table of 64-bit numbers.
fn words(gpu: &Gpu, values: impl Iterator<Item = Result<u64>>) -> Result<Array> {
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(value?.to_le_bytes());
    }
    Array::upload_bytes(gpu, &bytes)
}
