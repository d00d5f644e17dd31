//! A bf16 weight whose products take bf16, forward and backward, in AMX's tiles or by `vdpbf16ps`, which multiplies two pairs and
//! adds both products to an f32 sum. Operands are rounded to nearest, as PyTorch and llama.cpp round them.

use super::super::dequantized::{self, Rows};
use super::pairs::{Bf16Pair, WIDE, turn};
use super::panels::{Packed, Panels, TASK_ROWS};
use super::rounded_product::{BLOCK_ROWS, MOST_PAIRS, add_product, block};
use crate::error::Result;
use crate::tensor::columns::Columns;
use crate::tensor::{Buffer, buffers};
use crate::weights::Operand;
use crate::weights::bf16::{Rounded, Unit};
use crate::weights::panel_product::PanelProduct;
use rayon::prelude::*;
use std::ops::Range;

/// Pairs of outputs in a panel.
const PAIRS: usize = WIDE / 2;
/// Most rows that a turned part of a weight meets: turning it costs as much as the products with some ten rows.
const MOST_ROWS: usize = 4 * TASK_ROWS;
/// Rows times panels of a task at most: so many sums stay in the second cache, beside what they are made of.
const MOST_SUMS: usize = 3 * MOST_ROWS;
/// Tasks at least that a thread should find.
const TASKS_OF_A_THREAD: usize = 4;

/// A weight `[outputs, inputs]`.
#[derive(Debug)]
pub(super) struct Bf16Products {
    panels: Panels<Bf16Pair<WIDE>, WIDE>,
    unit: Unit,
}

impl Bf16Products {
    /// Packed as other weights are, or the panels back if this CPU lacks the instruction.
    pub(super) fn of(panels: Panels<Bf16Pair<WIDE>, WIDE>) -> std::result::Result<Self, Panels<Bf16Pair<WIDE>, WIDE>> {
        match panels.kernel.and_then(Unit::of) {
            Some(unit) => Ok(Bf16Products { panels, unit }),
            None => Err(panels),
        }
    }
}

impl Packed for Bf16Products {
    fn name(&self) -> &'static str {
        self.panels.name()
    }

    fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    fn has_kernel(&self) -> bool {
        true
    }

    fn times<'a>(&'a self, x: &'a Operand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        dequantized::operand(x.matrix(), self.panels.inputs)?;
        let x = x.in_bf16(self.unit)?;
        let add = |pairs: &[_], row: usize, pair: usize, sums: &mut [_]| add_product(x, pairs, row, pair, sums);
        Ok(Some(Box::new(self.panels.times_by(block(self.unit), add))))
    }

    fn times_rows<'a>(&'a self, x: &'a [f32]) -> Option<Box<dyn PanelProduct + 'a>> {
        self.panels.times_rows(x)
    }

    /// Each task turns the part of the weight that it needs, which costs little beside the products of many rows; a turned
    /// copy of all would take as much memory as the weight.
    fn transposed_product(&self, dy: &[f32], rows: usize) -> Result<Buffer> {
        let Panels { outputs, inputs, .. } = self.panels;
        let dy = Rounded::of(self.unit, dy, outputs)?;
        let mut dx = buffers::take(rows * inputs)?;
        let out = Columns::of(&mut dx, inputs);
        let parts = Parts::of(rows, inputs.div_ceil(WIDE));
        (0..parts.tasks()).into_par_iter().for_each_init(Vec::new, |sums, task| {
            let (panels, of_task) = parts.task(task);
            sums.clear();
            sums.resize(panels.len() * of_task.len(), [0.0f32; WIDE]);
            let mut turned = [const { Bf16Pair::<WIDE>::ZERO }; MOST_PAIRS];
            for pair in (0..outputs.div_ceil(2)).step_by(block(self.unit)) {
                let turned = &mut turned[..block(self.unit).min(outputs.div_ceil(2) - pair)];
                for (panel, sums) in panels.clone().zip(sums.chunks_mut(of_task.len())) {
                    self.turn(panel, pair / PAIRS, turned);
                    add_product(&dy, turned, of_task.start, pair, sums);
                }
            }
            for (panel, sums) in panels.zip(sums.chunks(of_task.len())) {
                out.write_rows(of_task.start, panel * WIDE, sums);
            }
        });
        Ok(dx)
    }

    fn rounds_operands(&self) -> bool {
        true
    }
}

/// How the products with a transpose are tasks: some rows of `dy` and some panels, which all meet a block of outputs of those rows
/// while the second cache has it.
struct Parts {
    rows: usize,
    task_rows: usize,
    panels: usize,
    /// Panels of a task.
    together: usize,
}

impl Parts {
    fn of(rows: usize, panels: usize) -> Self {
        let row_tasks = rows.div_ceil(MOST_ROWS).max(1);
        let task_rows = rows.div_ceil(row_tasks).next_multiple_of(BLOCK_ROWS).max(BLOCK_ROWS);
        let worth = panels * row_tasks / (TASKS_OF_A_THREAD * rayon::current_num_threads());
        Parts { rows, task_rows, panels, together: worth.clamp(1, MOST_SUMS / task_rows) }
    }

    fn tasks(&self) -> usize {
        self.rows.div_ceil(self.task_rows) * self.panels.div_ceil(self.together)
    }

    /// The panels of a task, and its rows.
    fn task(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let groups = self.panels.div_ceil(self.together);
        let (row, panel) = (task / groups * self.task_rows, task % groups * self.together);
        (panel..self.panels.min(panel + self.together), row..self.rows.min(row + self.task_rows))
    }
}

impl Bf16Products {
    /// Pairs of outputs, from the panel `from` on, of the inputs of a panel of the transpose.
    fn turn(&self, inputs: usize, from: usize, turned: &mut [Bf16Pair<WIDE>]) {
        let width = self.panels.inputs.div_ceil(2);
        let first = inputs * PAIRS;
        for (panel, turned) in (from..).zip(turned.chunks_mut(PAIRS)) {
            let sources = &self.panels.pairs[panel * width..][first..width.min(first + PAIRS)];
            turn(sources, turned);
        }
    }
}

impl Rows for Bf16Products {
    fn shape(&self) -> (usize, usize) {
        self.panels.shape()
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        self.panels.row(index, out);
    }
}
