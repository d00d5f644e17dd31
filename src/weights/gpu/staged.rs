//! Products of some rows with K-quants, by tensor cores: the launches of `staged.cu`.

use super::parts::{Launch, Term};
use super::{GpuWeight, Operand, Storage, size};
use crate::error::Result;
use crate::gpu::{Arg, Array, Element, Grid, blocks, name};

/// Outputs of a block of threads, and those threads.
const OUTPUTS: usize = 128;
const THREADS: u32 = 128;
/// Blocks of threads that fill a card: three for each of an H100's multiprocessors.
const FILL: usize = 396;

/// Makes the products.
pub(super) fn products(terms: &[Term<'_>], launch: &mut Launch, x: &Operand<'_>) -> Result<()> {
    let (from, (rows, width)) = (x.matrix().array()?, x.matrix().shape());
    let gpu = from.gpu();
    let all: usize = terms.iter().map(|term| term.weight.shape.0).sum();
    let across = terms.iter().map(|term| term.weight.shape.0.div_ceil(OUTPUTS)).sum::<usize>() * rows.div_ceil(32);
    let splits = (FILL / across.max(1)).min(width.div_ceil(256)).max(1);
    let mut partial = Array::new(gpu, Element::F32, if splits > 1 { splits * rows * all } else { 0 })?;
    let mut operands = [Arg::null(); 2];
    let mut stage = 0;
    for (half_order, bytes) in terms.iter().filter_map(|term| term.weight.staged()) {
        operands[usize::from(half_order)] = x.for_tensor_cores(half_order)?.at(0);
        // 256 inputs of up to 32 rows, and the blocks of the weight.
        stage = stage.max((2 * rows.div_ceil(16)).min(4) * 8 * 256 * Element::Bf16.size() + OUTPUTS * bytes);
    }
    let parts = launch.args.clone();
    launch.args.extend(operands);
    launch.args.extend([partial.at_mut(0), size(rows), size(width)]);
    let grid = Grid { blocks: [blocks(across, 1), blocks(splits, 1), 1], threads: THREADS, shared: 2 * stage as u32 };
    gpu.launch_early(&name("staged", &[from.element()]), grid, &launch.args)?;
    if splits == 1 {
        return Ok(());
    }
    let args = [&parts[..], &[partial.at(0), size(rows), size(splits)]].concat();
    gpu.launch_early(&name("staged_sum", &[from.element()]), Grid::of(blocks(rows * all, 256), 256), &args)
}

impl GpuWeight {
    /// How its products of some rows are made, if they are: whether they take inputs in halves, and bytes of a block that they
    /// copy.
    pub(super) fn staged(&self) -> Option<(bool, usize)> {
        match &self.storage {
            Storage::Blocks(blocks) => Some((blocks.on_card.half_order, blocks.on_card.staged?)),
            Storage::Dense(_) => None,
        }
    }
}
