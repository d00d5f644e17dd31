//! Products of few rows, as decoding makes them: the launches of `matvec.cu` and `matvec_dense.cu`.

use super::parts::{Launch, Term};
use super::{GpuWeight, Operand, Storage, size};
use crate::error::Result;
use crate::gpu::{Element, Grid, blocks, name};

/// Threads of a block at most, of quantized weights and of dense ones, and the outputs it has (`parts.cuh`).
const THREADS: [usize; 2] = [64, 128];
const OUTPUTS: usize = 4;

/// Makes the products with weights of one kind.
pub(super) fn products(terms: &[Term<'_>], launch: &mut Launch, x: &Operand<'_>) -> Result<()> {
    let (from, (rows, width)) = (x.matrix().array()?, x.matrix().shape());
    let at_once = rows.next_power_of_two();
    let pieces = terms.iter().map(|term| width.div_ceil(term.weight.piece())).max().unwrap_or(1);
    let element = terms.first().and_then(|term| term.weight.element());
    let (kernel, operand) = match element {
        None => (name(&format!("matvec{at_once}_q8"), &[from.element()]), x.eight_bits()?),
        Some(element) => (name(&format!("matvec{at_once}"), &[element, from.element()]), from),
    };
    launch.args.extend([operand.at(0), size(rows), size(width)]);
    let grid = terms.iter().map(|term| blocks(term.weight.shape.0, OUTPUTS)).sum();
    let threads = pieces.next_multiple_of(32).clamp(32, THREADS[usize::from(element.is_some())]) as u32;
    from.gpu().launch_early(&kernel, Grid::of(grid, threads), &launch.args)
}

impl GpuWeight {
    /// Of a dense weight.
    pub(super) fn element(&self) -> Option<Element> {
        match &self.storage {
            Storage::Blocks(_) => None,
            Storage::Dense(array) => Some(array.element()),
        }
    }

    /// Weights that a lane multiplies at a time.
    fn piece(&self) -> usize {
        match &self.storage {
            Storage::Blocks(blocks) => blocks.on_card.piece,
            Storage::Dense(_) => 8,
        }
    }
}
